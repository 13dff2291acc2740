/* A program over libxc's public interface, as any that loads it: NAME SPINS POINTS [THRESHOLD [PARAMETER VALUE]].

   Reads rho, sigma, tau of POINTS points from standard input and prints, a line each, what libxc says of the functional,
   and its energies and derivatives. NAME may be a number. Exit status 3 when libxc has no such functional. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xc.h>

void xc_hyb_cam_coef(const xc_func_type *p, double *omega, double *alpha, double *beta);
void xc_nlc_coef(const xc_func_type *p, double *nlc_b, double *nlc_C);

static double *numbers(size_t n) { return calloc(n + 1, sizeof(double)); }

static double *read_numbers(size_t n) {
  double *values = numbers(n);
  for (size_t i = 0; i < n; ++i)
    if (scanf("%lf", &values[i]) != 1) exit(2);
  return values;
}

static void print_numbers(const char *name, const double *values, size_t n) {
  printf("%s", name);
  for (size_t i = 0; i < n; ++i) printf(" %.17g", values[i]);
  printf("\n");
}

static void lists(int id) {
  const int n = xc_number_of_functionals(), longest = xc_maximum_name_length();
  int *by_number = calloc((size_t)n, sizeof(int)), *by_name = calloc((size_t)n, sizeof(int)), sorted = 1, places[3] = {0};
  char **names = calloc((size_t)n, sizeof(char *));
  for (int i = 0; i < n; ++i) names[i] = calloc((size_t)longest + 1, 1);
  xc_available_functional_numbers(by_number);
  xc_available_functional_numbers_by_name(by_name);
  xc_available_functional_names(names);
  char *own = xc_functional_get_name(id);
  for (int i = 0; i < n; ++i) {
    char *name = xc_functional_get_name(by_name[i]);
    sorted &= i == 0 || by_number[i - 1] < by_number[i];
    sorted &= strcmp(name, names[i]) == 0;
    places[0] += by_number[i] == id;
    places[1] += by_name[i] == id;
    places[2] += strcmp(names[i], own) == 0;
    free(name);
    free(names[i]);
  }
  printf("lists %d %d %d %d %d\n", n, sorted, places[0], places[1], places[2]);
  free(own), free(names), free(by_name), free(by_number);
}

int main(int argc, char **argv) {
  xc_func_type func;
  if (argc < 4) return 2;
  const int number = atoi(argv[1]), id = number > 0 ? number : xc_functional_get_number(argv[1]);
  const int spins = atoi(argv[2]);
  const size_t n = (size_t)atoi(argv[3]);
  if (id < 0 || xc_func_init(&func, id, spins) != 0) return 3;
  const xc_func_info_type *info = xc_func_get_info(&func);
  char *name = xc_functional_get_name(id);
  printf("name %s\nnumber %d\n", name, xc_func_info_get_number(info));
  free(name);
  printf("title %s\n", xc_func_info_get_name(info));
  const func_reference_type *reference = xc_func_info_get_references(info, 0);
  if (reference != NULL) printf("doi %s\n", xc_func_reference_get_doi(reference));
  const int family = xc_func_info_get_family(info), flags = xc_func_info_get_flags(info);
  printf("record %d %d %d %d\n", family, xc_func_info_get_kind(info), flags, xc_family_from_id(id, NULL, NULL));
  double frame[5];
  xc_hyb_cam_coef(&func, &frame[0], &frame[1], &frame[2]);
  xc_nlc_coef(&func, &frame[3], &frame[4]);
  print_numbers("frame", frame, 5);
  printf("parameters");
  for (int i = 0; i < xc_func_info_get_n_ext_params(info); ++i)
    printf(" %s=%.17g", xc_func_info_get_ext_params_name(info, i), xc_func_info_get_ext_params_default_value(info, i));
  printf("\n");
  if (number <= 0) lists(id);
  if (argc > 4 && atof(argv[4]) > 0) xc_func_set_dens_threshold(&func, atof(argv[4]));
  if (argc > 6) xc_func_set_ext_params_name(&func, argv[5], atof(argv[6]));

  const size_t one = spins == 1 ? 1 : 2, two = spins == 1 ? 1 : 3, six = spins == 1 ? 1 : 6, four = one * one;
  double *rho = read_numbers(one * n), *sigma = read_numbers(two * n), *tau = read_numbers(one * n);
  double *lapl = numbers(one * n), *zk = numbers(n), *vrho = numbers(one * n), *vsigma = numbers(two * n);
  double *vlapl = numbers(one * n), *vtau = numbers(one * n), *v2rho2 = numbers(two * n), *v2rhosigma = numbers(six * n);
  double *v2rhotau = numbers(four * n), *v2sigma2 = numbers(six * n), *v2sigmatau = numbers(six * n);
  double *v2tau2 = numbers(two * n), *v2rholapl = numbers(four * n), *v2sigmalapl = numbers(six * n);
  double *v2lapl2 = numbers(two * n), *v2lapltau = numbers(four * n), *again = numbers(n), *first = numbers(one * n);
  int differ = 0;
  switch (family) {
  case XC_FAMILY_LDA:
  case XC_FAMILY_HYB_LDA:
    xc_lda_exc_vxc_fxc(&func, n, rho, zk, vrho, v2rho2);
    xc_lda_exc(&func, n, rho, again);
    xc_lda_vxc(&func, n, rho, first);
    break;
  case XC_FAMILY_GGA:
  case XC_FAMILY_HYB_GGA:
    xc_gga_exc_vxc_fxc(&func, n, rho, sigma, zk, vrho, vsigma, v2rho2, v2rhosigma, v2sigma2);
    xc_gga_exc(&func, n, rho, sigma, again);
    xc_gga_vxc(&func, n, rho, sigma, first, vsigma);
    break;
  default:
    xc_mgga_exc_vxc_fxc(&func, n, rho, sigma, lapl, tau, zk, vrho, vsigma, vlapl, vtau, v2rho2, v2rhosigma, v2rholapl,
                        v2rhotau, v2sigma2, v2sigmalapl, v2sigmatau, v2lapl2, v2lapltau, v2tau2);
    xc_mgga_exc(&func, n, rho, sigma, lapl, tau, again);
    xc_mgga_vxc(&func, n, rho, sigma, lapl, tau, first, vsigma, vlapl, vtau);
  }
  for (size_t i = 0; i < n; ++i) differ |= zk[i] != again[i];
  for (size_t i = 0; i < one * n; ++i) differ |= vrho[i] != first[i];
  printf("orders differ %d\n", differ);
  print_numbers("zk", zk, n);
  print_numbers("vrho", vrho, one * n);
  print_numbers("vsigma", vsigma, two * n);
  print_numbers("vtau", vtau, one * n);
  print_numbers("v2rho2", v2rho2, two * n);
  print_numbers("v2rhosigma", v2rhosigma, six * n);
  print_numbers("v2rhotau", v2rhotau, four * n);
  print_numbers("v2sigma2", v2sigma2, six * n);
  print_numbers("v2sigmatau", v2sigmatau, six * n);
  print_numbers("v2tau2", v2tau2, two * n);
  xc_func_end(&func);
  return 0;
}
