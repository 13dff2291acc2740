/* Stands in for libxc's work_gga.c. */
#define WORK_OUT xc_gga_out_params
#define WORK_INPUTS const double *rho, const double *sigma
#define WORK_COPY for (int k = 0; k < p->dim.sigma; ++k) my_sigma[k] = sigma[ip * p->dim.sigma + k];
#define WORK_ARGUMENTS , my_sigma
#include "work.h"

static const xc_gga_funcs_variants work_gga = {
    {work_exc_unpol, work_vxc_unpol, work_fxc_unpol, NULL, NULL},
    {work_exc_pol, work_vxc_pol, work_fxc_pol, NULL, NULL},
};
