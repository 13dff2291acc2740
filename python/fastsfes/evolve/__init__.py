"""Evolution of functionals: genomes, mutations, fingerprints, and regularised evolution."""
