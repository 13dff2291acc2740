/* Stands in for libxc's work_mgga.c. */
#define WORK_OUT xc_mgga_out_params
#define WORK_INPUTS const double *rho, const double *sigma, const double *lapl, const double *tau
#define WORK_COPY (void)lapl; for (int k = 0; k < p->dim.sigma; ++k) my_sigma[k] = sigma[ip * p->dim.sigma + k]; for (int k = 0; k < p->dim.tau; ++k) my_tau[k] = tau[ip * p->dim.tau + k];
#define WORK_ARGUMENTS , my_sigma, my_lapl, my_tau
#include "work.h"

static const xc_mgga_funcs_variants work_mgga = {
    {work_exc_unpol, work_vxc_unpol, work_fxc_unpol, NULL, NULL},
    {work_exc_pol, work_vxc_pol, work_fxc_pol, NULL, NULL},
};
