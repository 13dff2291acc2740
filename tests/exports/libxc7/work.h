/* Stands in for libxc's work functions: skips and raises small densities as they do and calls the functional. */
#define WORK_PASTE(a, b, c, d) a##b##c##d
#define WORK_FUNCTION(order, spin, polarised)                                                                      \
  static void WORK_PASTE(work_, order, _, spin)(const xc_func_type *p, size_t np, WORK_INPUTS, WORK_OUT *out) {     \
    for (size_t ip = 0; ip < np; ++ip) {                                                                            \
      const double dens = rho[ip * p->dim.rho] + (polarised ? rho[ip * p->dim.rho + p->dim.rho - 1] : 0.0);         \
      if (dens < p->dens_threshold) continue;                                                                       \
      double my_rho[2] = {0.0, 0.0}, my_sigma[3] = {0.0, 0.0, 0.0}, my_tau[2] = {0.0, 0.0}, my_lapl[2] = {0.0, 0.0}; \
      for (int k = 0; k < p->dim.rho; ++k) my_rho[k] = m_max(p->dens_threshold, rho[ip * p->dim.rho + k]);       \
      WORK_COPY                                                                                                     \
      (void)my_sigma, (void)my_tau, (void)my_lapl;                                                                  \
      WORK_PASTE(func_, order, _, spin)(p, ip, my_rho WORK_ARGUMENTS, out);                                         \
    }                                                                                                               \
  }
WORK_FUNCTION(exc, unpol, 0)
WORK_FUNCTION(vxc, unpol, 0)
WORK_FUNCTION(fxc, unpol, 0)
WORK_FUNCTION(exc, pol, 1)
WORK_FUNCTION(vxc, pol, 1)
WORK_FUNCTION(fxc, pol, 1)
