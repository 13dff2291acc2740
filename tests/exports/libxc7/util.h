/* Stands in for libxc 7's internal util.h: what an exported functional uses of it. The public header is libxc's. */
#ifndef STAND_IN_UTIL_H
#define STAND_IN_UTIL_H

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "xc.h"

#define GPU_DEVICE_FUNCTION
#define XC_FLAGS_I_HAVE_EXC XC_FLAGS_HAVE_EXC
#define XC_FLAGS_I_HAVE_VXC XC_FLAGS_HAVE_VXC
#define XC_FLAGS_I_HAVE_FXC XC_FLAGS_HAVE_FXC
#define my_piecewise3(c, x1, x2) ((c) ? (x1) : (x2))
#define m_min(x, y) (((x) < (y)) ? (x) : (y))
#define m_max(x, y) (((x) < (y)) ? (y) : (x))
#define libxc_malloc malloc

/* exported by libxc */
void set_ext_params_cpy(xc_func_type *p, const double *ext_params);
void internal_counters_set_lda(int nspin, xc_dimensions *dim);
void internal_counters_set_gga(int nspin, xc_dimensions *dim);
void internal_counters_set_mgga(int nspin, xc_dimensions *dim);

#endif
