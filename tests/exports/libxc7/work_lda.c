/* Stands in for libxc's work_lda.c. */
#define WORK_OUT xc_lda_out_params
#define WORK_INPUTS const double *rho
#define WORK_COPY /* nothing else */
#define WORK_ARGUMENTS 
#include "work.h"

static const xc_lda_funcs_variants work_lda = {
    {work_exc_unpol, work_vxc_unpol, work_fxc_unpol, NULL, NULL},
    {work_exc_pol, work_vxc_pol, work_fxc_pol, NULL, NULL},
};
