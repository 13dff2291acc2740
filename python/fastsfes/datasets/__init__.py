"""Datasets: molecules, reactions with reference energies, and their stored densities."""

from .dataset import Dataset, DatasetInfo, SubsetInfo
from .model import HARTREE_TO_KCAL, SPLITS, DatasetContents, Reaction, Species

__all__ = [
    "HARTREE_TO_KCAL",
    "SPLITS",
    "Dataset",
    "DatasetContents",
    "DatasetInfo",
    "Reaction",
    "Species",
    "SubsetInfo",
]
