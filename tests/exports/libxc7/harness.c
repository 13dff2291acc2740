/* Initialises an exported functional as xc_func_init does and evaluates it through libxc's public functions. */
#include <string.h>

#include "util.h"

extern const xc_func_info_type xc_func_info_NAME;

/* threshold: of the density, or 0 for the functional's own. out: exc, vrho, vsigma, vtau, v2rho2, v2rhosigma, v2rhotau, v2sigma2, v2sigmatau, v2tau2; frame: hybrid and VV10 */
void evaluate(int nspin, double threshold, size_t n, const double *rho, const double *sigma, const double *tau,
              double **out, double *frame);

void evaluate(int nspin, double threshold, size_t n, const double *rho, const double *sigma, const double *tau,
              double **out, double *frame) {
  xc_func_type p;
  xc_func_info_type info;
  memcpy(&info, &xc_func_info_NAME, sizeof info);
  memset(&p, 0, sizeof p);
  p.info = &info;
  p.nspin = nspin;
  p.dens_threshold = threshold > 0.0 ? threshold : info.dens_threshold;
  p.zeta_threshold = DBL_EPSILON;
  p.sigma_threshold = pow(p.dens_threshold, 4.0 / 3.0);
  p.tau_threshold = 1e-20;
  const int lda = info.lda != NULL, gga = info.gga != NULL;
  (lda ? internal_counters_set_lda : gga ? internal_counters_set_gga : internal_counters_set_mgga)(nspin, &p.dim);
  if (info.init != NULL) info.init(&p);
  if (info.ext_params.n > 0) {
    p.ext_params = malloc((size_t)info.ext_params.n * sizeof(double));
    memcpy(p.ext_params, info.ext_params.values, (size_t)info.ext_params.n * sizeof(double));
    info.ext_params.set(&p, info.ext_params.values);
  }
  double *lapl = calloc(2 * n, sizeof(double)), *unused = calloc(9 * n, sizeof(double));
  if (lda) {
    xc_lda_exc_vxc_fxc(&p, n, rho, out[0], out[1], out[4]);
  } else if (gga) {
    xc_gga_exc_vxc_fxc(&p, n, rho, sigma, out[0], out[1], out[2], out[4], out[5], out[7]);
  } else {
    xc_mgga_exc_vxc_fxc(&p, n, rho, sigma, lapl, tau, out[0], out[1], out[2], unused, out[3], out[4], out[5], unused,
                        out[6], out[7], unused, out[8], unused, unused, out[9]);
  }
  frame[0] = p.cam_alpha, frame[1] = p.cam_beta, frame[2] = p.cam_omega, frame[3] = p.nlc_b, frame[4] = p.nlc_C;
  free(lapl), free(unused), free(p.params), free(p.ext_params);
}
