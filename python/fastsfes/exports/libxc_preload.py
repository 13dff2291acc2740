"""A shared library that adds a functional to whatever libxc a program loads, without rebuilding either.

    LD_PRELOAD=./libfs_mine.so program input

The library interposes libxc's functions that find and initialise functionals. It initialises its own from one of
libxc's of the same family that has neither parameters nor parts, then writes into the record that libxc copied for it:
evaluation functions, parameters, flags, thresholds, exact exchange and VV10. Everything else (evaluation, thresholds,
parameters, the Fortran interface) is libxc's. The C file needs libxc's public header and is compiled for its version.
"""

from __future__ import annotations

import re
from zlib import crc32

from ..formula.features import DENSITY_THRESHOLD
from ..functionals.functional import Functional
from .describe import block_comment, c_string, description, identifier, plain
from .libxc_code import ARGUMENTS, GROUPS, OUTPUTS, evaluation, libxc_name, one_line, out_params, record

__all__ = ["NUMBERS", "files", "full_name", "preload_name", "preload_number"]

_BASE = {"lda": "lda_c_rpa", "gga": "gga_c_wl", "mgga": "mgga_x_gvt4"}
"""Functionals of libxc without parameters, parts, or an initialisation of their own."""

NUMBERS = range(900, 1000)
"""Numbers that no libxc has; programs such as Abinit and Quantum ESPRESSO read three digits."""


def preload_name(functional: Functional) -> str:
    """Its name in libxc: fs_ and its own."""
    return f"fs_{identifier(functional.name).removeprefix('fs_')}"


def full_name(functional: Functional) -> str:
    """Its name in libxc's style, such as hyb_mgga_xc_fs_mine."""
    return libxc_name(functional).removesuffix(identifier(functional.name)) + preload_name(functional)


def preload_number(functional: Functional) -> int:
    """Its number in libxc, where that is free; always the same for the same name."""
    return NUMBERS[crc32(preload_name(functional).encode()) % len(NUMBERS)]


def files(functional: Functional, stem: str) -> dict[str, str]:
    """The C file."""
    name = preload_name(functional)
    family = functional.family
    made = record(functional, name)
    inputs = [*GROUPS[family][:2], *(("lapl", "tau") if family == "mgga" else ())]
    words = {
        "NAME": name,
        "FULL": full_name(functional),
        "TITLE": c_string(one_line(functional)),
        "NUMBER": str(preload_number(functional)),
        "FIRST": str(NUMBERS[0]),
        "LAST": str(NUMBERS[-1]),
        "FAMILY": family,
        "FAMILY_MACRO": made.family,
        "KIND": made.kind,
        "FLAGS": made.flags,
        "BASE": _BASE[family],
        "DENSITY": repr(DENSITY_THRESHOLD),
        "REFERENCE": c_string(functional.citation or "exported by fastsfes"),
        "DOI": c_string(_doi(functional)),
        "ARGUMENTS": ARGUMENTS[family],
        "PASSED": "".join(f", {v}" for v in inputs),
        "RAISED": "".join(f", {'lapl + ip * p->dim.lapl' if v == 'lapl' else f'my_{v}'}" for v in inputs),
        "STRUCT": out_params(family),
        "TAKEN": "".join(f"  out.{o} = {o};\n" for o in OUTPUTS[family]),
        "FRAME": "".join(f"{line}\n" for line in made.frame),
        "SETTER": _SETTER if made.values else "",
        "PARAMETERS": _PARAMETERS.replace("@NAME@", name) if made.values else "",
        "INPUTS": "".join(_INPUTS.get(v, "") for v in inputs).replace(
            "@CURVATURE@", _CURVATURE if family == "mgga" else ""
        ),
        "UNUSED": "  (void)lapl;\n" if family == "mgga" else "",
        "MACRO": f"{family.upper()}_OUT_PARAMS_NO_EXC(XC_COMMA double *, )",
    }
    text = _HEAD + "".join(f"{line}\n" for line in made.parameters) + evaluation(functional, name) + _TAIL
    about = [
        *description(functional),
        "",
        f"Adds {name}, number {words['NUMBER']} (or the next one that is free), to the libxc that a program loads:",
        "",
        f"    cc -std=gnu99 -O2 -shared -fPIC {identifier(stem)}.c -o {identifier(stem)}.so -lxc -lm -ldl",
        f"    LD_PRELOAD=./{identifier(stem)}.so program input",
        "",
        f"Its name is {name} or {words['FULL']}, in any case, with or without XC_ before it.",
        "Compile it with the header of the libxc that the program loads: 5.2, 6 or 7, not one for GPUs. It cannot",
        "reach a program that contains libxc instead of loading it.",
    ]
    return {"": block_comment(about) + re.sub(r"@(\w+)@", lambda m: words[m[1]], text)}


def _doi(functional: Functional) -> str:
    found = re.search(r"\b10\.\d{4,9}/[^\s,;)\]]+", plain(functional.citation))
    return found[0].rstrip(".") if found else ""


_HEAD = """#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <assert.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xc.h>
#if XC_MAJOR_VERSION < 5 || (XC_MAJOR_VERSION == 5 && XC_MINOR_VERSION < 2) || XC_MAJOR_VERSION > 7
#error "this file is for libxc 5.2, 6 and 7: earlier ones keep one record for all, later ones are not known"
#endif

#define GPU_DEVICE_FUNCTION
#define XC_FLAGS_I_HAVE_EXC XC_FLAGS_HAVE_EXC
#define XC_FLAGS_I_HAVE_VXC XC_FLAGS_HAVE_VXC
#define XC_FLAGS_I_HAVE_FXC XC_FLAGS_HAVE_FXC
#ifndef XC_FLAGS_NEEDS_TAU
#define XC_FLAGS_NEEDS_TAU 0
#endif
/* whether the curvature of the Fermi hole, 1 - sigma/(8 rho tau), is kept from being negative */
#ifdef XC_FLAGS_ENFORCE_FHC
#define FLAGS_KEPT XC_FLAGS_ENFORCE_FHC
#define ENFORCES_FHC(p) ((p)->info->flags & XC_FLAGS_ENFORCE_FHC)
#else /* libxc 5, as it is built by default */
#define FLAGS_KEPT 0
#define ENFORCES_FHC(p) 1
#endif
#if XC_MAJOR_VERSION < 6
@STRUCT@#endif

"""

_INPUTS = {
    "rho": """    const double *rho_p = rho + ip * p->dim.rho;
    const double density = polarised ? rho_p[0] + rho_p[1] : rho_p[0];
    if (!(density >= p->dens_threshold)) continue;
    const double my_rho[2] = {fmax(rho_p[0], p->dens_threshold), fmax(rho_p[polarised], p->dens_threshold)};
""",
    "sigma": """    const double *sigma_p = sigma + ip * p->dim.sigma;
    const double least = p->sigma_threshold * p->sigma_threshold;
    double sigma_a = fmax(sigma_p[0], least), sigma_b = fmax(sigma_p[2 * polarised], least);
@CURVATURE@    const double mean = 0.5 * (sigma_a + sigma_b);
    const double my_sigma[3] = {sigma_a, polarised ? fmin(fmax(sigma_p[1], -mean), mean) : 0.0, sigma_b};
""",
}
"""What libxc's work functions do to the variables of a point, by variable."""

_CURVATURE = """    const double *tau_p = tau + ip * p->dim.tau;
    const double my_tau[2] = {fmax(tau_p[0], p->tau_threshold), fmax(tau_p[polarised], p->tau_threshold)};
    if (ENFORCES_FHC(p)) {
      sigma_a = fmin(sigma_a, 8.0 * my_rho[0] * my_tau[0]);
      sigma_b = fmin(sigma_b, 8.0 * my_rho[1] * my_tau[1]);
    }
"""
"""What they do where there is a kinetic energy density."""

_TAIL = """
/* -- evaluation: points below the threshold stay zero, as libxc has it -- */

typedef void (*point_function)(const xc_func_type *, size_t, @ARGUMENTS@, xc_@FAMILY@_out_params *);
static const point_function point_functions[2][3] = {{func_exc_unpol, func_vxc_unpol, func_fxc_unpol},
                                                     {func_exc_pol, func_vxc_pol, func_fxc_pol}};

static void evaluate(const xc_func_type *p, int order, size_t np, @ARGUMENTS@, xc_@FAMILY@_out_params *out) {
  const int polarised = p->nspin == XC_POLARIZED;
  const point_function at_point = point_functions[polarised][order];
@UNUSED@  for (size_t ip = 0; ip < np; ++ip) {
@INPUTS@    at_point(p, ip@RAISED@, out);
  }
}

#if XC_MAJOR_VERSION < 6
static void evaluate_any(const xc_func_type *p, size_t np, @ARGUMENTS@, double *zk @MACRO@) {
  xc_@FAMILY@_out_params out;
@TAKEN@  evaluate(p, v2rho2 != NULL ? 2 : vrho != NULL ? 1 : 0, np@PASSED@, &out);
}
#define EVALUATION evaluate_any
#else
static void evaluate_0(const xc_func_type *p, size_t np, @ARGUMENTS@, xc_@FAMILY@_out_params *out) {
  evaluate(p, 0, np@PASSED@, out);
}
static void evaluate_1(const xc_func_type *p, size_t np, @ARGUMENTS@, xc_@FAMILY@_out_params *out) {
  evaluate(p, 1, np@PASSED@, out);
}
static void evaluate_2(const xc_func_type *p, size_t np, @ARGUMENTS@, xc_@FAMILY@_out_params *out) {
  evaluate(p, 2, np@PASSED@, out);
}
static const xc_@FAMILY@_funcs_variants variants = {{evaluate_0, evaluate_1, evaluate_2, NULL, NULL},
                                                  {evaluate_0, evaluate_1, evaluate_2, NULL, NULL}};
#define EVALUATION &variants
#endif

/* -- the next library with libxc's functions: libxc, or another one of this kind -- */

static struct {
  int (*get_number)(const char *);
  char *(*get_name)(int);
  int (*family)(int, int *, int *);
  int (*count)(void);
  int (*longest)(void);
  void (*numbers)(int *);
  void (*numbers_by_name)(int *);
  void (*names)(char **);
  int (*init)(xc_func_type *, int, int);
} next;
static int number = @NUMBER@, state = 0; /* 0: not looked at yet, 1: ready, -1: another version of libxc, left alone */
static __thread int inside = 0;          /* libxc's lists count with functions that are interposed here */

static void *find(const char *symbol) {
  void *found = dlsym(RTLD_NEXT, symbol);
  if (found == NULL) {
    fprintf(stderr, "@NAME@: no libxc was found behind this library (%s is missing); link it with -lxc\\n", symbol);
    exit(1);
  }
  return found;
}

__attribute__((constructor)) static void get_ready(void) {
  int major = 0, minor = 0, micro = 0;
  if (state != 0) return;
  *(void **)&next.get_number = find("xc_functional_get_number");
  *(void **)&next.get_name = find("xc_functional_get_name");
  *(void **)&next.family = find("xc_family_from_id");
  *(void **)&next.count = find("xc_number_of_functionals");
  *(void **)&next.longest = find("xc_maximum_name_length");
  *(void **)&next.numbers = find("xc_available_functional_numbers");
  *(void **)&next.numbers_by_name = find("xc_available_functional_numbers_by_name");
  *(void **)&next.names = find("xc_available_functional_names");
  *(void **)&next.init = find("xc_func_init");
  xc_version(&major, &minor, &micro);
  state = major == XC_MAJOR_VERSION && minor == XC_MINOR_VERSION ? 1 : -1;
  if (state < 0)
    fprintf(stderr, "@NAME@: compiled for libxc %d.%d, but libxc %d.%d is loaded: compile it with that one's header\\n",
            XC_MAJOR_VERSION, XC_MINOR_VERSION, major, minor);
  while (state > 0 && next.family(number, NULL, NULL) != XC_FAMILY_UNKNOWN)
    if (++number > @LAST@) number = @FIRST@;
}

static int ours(int id) {
  get_ready();
  return state > 0 && id == number;
}

/* -- the record -- */

static const char full_name[] = "@FULL@", short_name[] = "@NAME@";
static const char *const texts[] = {
    @TITLE@,
    @REFERENCE@,
    @DOI@
};
static func_reference_type source;

@SETTER@
int xc_func_init(xc_func_type *p, int functional, int nspin) {
  if (!ours(functional)) return next.init(p, functional, nspin);
  const int failed = next.init(p, next.get_number("@BASE@"), nspin);
  if (failed) return failed;
  xc_func_info_type *info = (xc_func_info_type *)p->info; /* libxc's own copy, which xc_func_end frees */
  assert(p->params == NULL && p->n_func_aux == 0 && info->ext_params.n == 0 && info->end == NULL);
  info->number = number;
  info->kind = @KIND@;
  info->name = texts[0];
  info->family = @FAMILY_MACRO@;
  source.ref = texts[1];
  source.doi = texts[2];
  source.bibtex = "";
#if XC_MAJOR_VERSION >= 6
  source.key = short_name;
#endif
  for (int i = 0; i < XC_MAX_REFERENCES; ++i) info->refs[i] = i == 0 ? &source : NULL;
  info->flags = @FLAGS@ | MAPLE2C_FLAGS | (info->flags & FLAGS_KEPT);
  info->dens_threshold = p->dens_threshold = @DENSITY@;
  p->sigma_threshold = pow(p->dens_threshold, 4.0 / 3.0);
  info->@FAMILY@ = EVALUATION;
@FRAME@@PARAMETERS@  return 0;
}

/* -- names and numbers -- */

int xc_functional_get_number(const char *name) {
  const char *bare = strncasecmp(name, "XC_", 3) == 0 ? name + 3 : name;
  get_ready();
  if (state > 0 && (strcasecmp(bare, short_name) == 0 || strcasecmp(bare, full_name) == 0)) return number;
  return next.get_number(name);
}

char *xc_functional_get_name(int id) {
  char *copy = NULL;
  if (!ours(id)) return next.get_name(id);
  copy = (char *)malloc(sizeof short_name); /* the caller frees it */
  if (copy != NULL) memcpy(copy, short_name, sizeof short_name);
  return copy;
}

int xc_family_from_id(int id, int *family, int *index) {
  if (!ours(id)) return next.family(id, family, index);
  if (family != NULL) *family = @FAMILY_MACRO@;
  if (index != NULL) *index = -1; /* it stands in none of libxc's lists */
  return @FAMILY_MACRO@;
}

int xc_number_of_functionals(void) {
  get_ready();
  return next.count() + (state > 0 && !inside);
}

int xc_maximum_name_length(void) {
  get_ready();
  const int longest = next.longest(), mine = (int)sizeof short_name - 1;
  return state > 0 && mine > longest ? mine : longest;
}

void xc_available_functional_numbers(int *list) {
  get_ready();
  ++inside;
  next.numbers(list);
  --inside;
  if (state < 0) return;
  int place = next.count();
  for (; place > 0 && list[place - 1] > number; --place) list[place] = list[place - 1];
  list[place] = number;
}

/* whether another one stands behind ours in libxc's order of names: by family, then by name */
static int is_behind(int id) {
  const int family = next.family(id, NULL, NULL);
  char *name = next.get_name(id);
  const int behind =
      family != @FAMILY_MACRO@ ? family > @FAMILY_MACRO@ : name != NULL && strcmp(name, short_name) > 0;
  free(name);
  return behind;
}

void xc_available_functional_numbers_by_name(int *list) {
  get_ready();
  ++inside;
  next.numbers_by_name(list);
  --inside;
  if (state < 0) return;
  int place = next.count();
  for (; place > 0 && is_behind(list[place - 1]); --place) list[place] = list[place - 1];
  list[place] = number;
}

void xc_available_functional_names(char **list) {
  get_ready();
  ++inside;
  next.names(list);
  --inside;
  if (state < 0) return;
  int place = next.count();
  for (; place > 0 && is_behind(next.get_number(list[place - 1])); --place) strcpy(list[place], list[place - 1]);
  strcpy(list[place], short_name);
}
"""

_SETTER = """static void set_parameters(xc_func_type *p, const double *values) {
  double *params = (double *)p->params; /* the struct holds nothing but them */
  for (int i = 0; i < N_PAR; ++i) {
    double value = values == NULL ? XC_EXT_PARAMS_DEFAULT : values[i];
    if (value == XC_EXT_PARAMS_DEFAULT) value = p->info->ext_params.values[i];
    params[i] = value;
#if XC_MAJOR_VERSION >= 7
    p->ext_params[i] = value;
#endif
  }
}
"""

_PARAMETERS = """  info->ext_params = (func_params_type){N_PAR, names, desc, par_@NAME@, set_parameters};
  p->params = malloc(N_PAR * sizeof(double)); /* xc_func_end frees them */
#if XC_MAJOR_VERSION >= 7
  p->ext_params = (double *)malloc(N_PAR * sizeof(double));
#endif
  set_parameters(p, NULL);
"""
