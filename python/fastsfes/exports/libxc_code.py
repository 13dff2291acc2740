"""A functional as libxc's C code: evaluation functions, parameters, record; what every export to libxc shares.

The evaluation functions are those that libxc's maple2c writes. They use libxc's public header only, so that the same
text serves in libxc's sources and in a library of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..functionals.formulas import VARIABLES, free_parameters
from ..functionals.functional import Functional
from .c import C
from .describe import block_comment, c_string, description, identifier, plain, thresholds
from .layout import all_keys, layout
from .layout import parameter_names as usual_names
from .straightline import straight_line

__all__ = [
    "ARGUMENTS",
    "GROUPS",
    "OUTPUTS",
    "THRESHOLD",
    "Record",
    "evaluation",
    "kind_of",
    "libxc_name",
    "one_line",
    "out_params",
    "parameter_names",
    "record",
]

GROUPS = {"lda": ("rho",), "gga": ("rho", "sigma"), "mgga": ("rho", "sigma", "tau")}
"""Variables of a family."""

ARGUMENTS = {
    "lda": "const double *rho",
    "gga": "const double *rho, const double *sigma",
    "mgga": "const double *rho, const double *sigma, const double *lapl, const double *tau",
}
"""Arguments of libxc's evaluation functions."""

OUTPUTS = {
    "lda": ("zk", "vrho", "v2rho2"),
    "gga": ("zk", "vrho", "vsigma", "v2rho2", "v2rhosigma", "v2sigma2"),
    "mgga": (
        *("zk", "vrho", "vsigma", "vlapl", "vtau", "v2rho2", "v2rhosigma", "v2rholapl", "v2rhotau", "v2sigma2"),
        *("v2sigmalapl", "v2sigmatau", "v2lapl2", "v2lapltau", "v2tau2"),
    ),
}
"""libxc's names of energy, first and second derivatives."""

# functions that are compiled for GPUs, too
_LIBXC_C = replace(
    C, helpers={k: v.replace("static ", "GPU_DEVICE_FUNCTION static inline ") for k, v in C.helpers.items()}
)

THRESHOLD = "dens_threshold"
"""The density threshold in the formulas: libxc's users set it."""


def parameter_names(functional: Functional) -> dict[str, str]:
    """Identifiers that maple2c, which reads _a_ as -> and _1_ as [1], leaves alone."""
    return {
        p: f"p{k}" if re.search(r"_([asd]|\d+)(?=_)", n) else n
        for k, (p, n) in enumerate(usual_names(functional).items())
    }


def kind_of(functional: Functional) -> str:
    """ "x", "c" or "xc", as libxc's names have it."""
    kinds = set(functional.channels)
    return "x" if kinds == {"x"} else "c" if kinds <= {"css", "cos", "c"} else "xc"


def libxc_name(functional: Functional) -> str:
    """Its name in libxc's style, for example hyb_mgga_xc_gas22."""
    hybrid = "hyb_" if functional.hybrid.short_range or functional.hybrid.long_range else ""
    return f"{hybrid}{functional.family}_{kind_of(functional)}_{identifier(functional.name)}"


def evaluation(functional: Functional, name: str) -> str:
    """func_{exc,vxc,fxc}_{unpol,pol} as maple2c writes them: results are added to what `out` holds."""
    family = functional.family
    flags = " | ".join(f"XC_FLAGS_I_HAVE_{order}" for order in ("EXC", "VXC", "FXC"))
    lines = [
        block_comment([*description(functional), "Written by fastsfes.", *thresholds()]),
        "#define maple2c_order 2",
        f"#define MAPLE2C_FLAGS ({flags})\n",
    ]
    bodies, helpers = [], dict[str, None]()
    for polarised in (False, True):
        made = layout(functional, polarised, threshold=THRESHOLD)
        leaves = {v: v if "_" in v else f"{v}_t" for v in made.inputs} | parameter_names(functional)
        leaves[THRESHOLD] = f"p->{THRESHOLD}"
        code = straight_line(made.groups, _LIBXC_C, leaves)
        helpers |= dict.fromkeys(code.helpers)
        density = "rho[0] + rho[1]" if polarised else "rho[0]"
        head = []
        if made.parameters:
            struct = f"{name}_params"
            names = parameter_names(functional)
            head = [f"  const {struct} *params = (const {struct} *)(p->params);", "  assert(p->params != NULL);"]
            head += [f"  const double {names[p]} = params->{names[p]};" for p in made.parameters]
        for group in GROUPS[family]:
            names_ = VARIABLES[polarised][group]
            head += [f"  const double {leaves[v]} = {group}[{k}];" for k, v in enumerate(names_) if v in made.inputs]
        unused = [g for g in GROUPS[family] if not set(VARIABLES[polarised][g]) & set(made.inputs)]
        unused += ["lapl"] if family == "mgga" else []
        head += [f"  (void){g};" for g in unused]
        body: list[str] = []
        for order, tag in enumerate(("exc", "vxc", "fxc")):
            body += [f"  const double {n} = {v};" for n, v in code.steps[order]]
            texts = iter(code.results[order])
            found = {key: [next(texts) for _ in values] for key, values in made.orders[order].items()}
            for key in all_keys(polarised, order):
                if key not in found:
                    continue  # adding zero changes nothing
                target, flag = ("zk", "EXC") if key == "exc" else (key, ("VXC", "FXC")[order - 1])
                body.append(f"  if(out->{target} != NULL && (p->info->flags & XC_FLAGS_HAVE_{flag})) {{")
                for k, text in enumerate(found[key]):
                    value = f"({text})/({density})" if key == "exc" else text
                    body.append(f"    out->{target}[ip*p->dim.{target} + {k}] += {value};")
                body.append("  }")
            case = "pol" if polarised else "unpol"
            bodies += [
                f"#ifndef XC_DONT_COMPILE_{tag.upper()}",
                "GPU_DEVICE_FUNCTION static inline void",
                f"func_{tag}_{case}(const xc_func_type *p, size_t ip, {ARGUMENTS[family]},",
                f"    xc_{family}_out_params *out)",
                "{",
                *head,
                *body,
                "}",
                "#endif\n",
            ]
    return "\n".join([*lines, *helpers, "", *bodies])


def out_params(family: str) -> str:
    """The struct of results that libxc has from version 6 on, as far as it is used."""
    members = "".join(f"  double *{o};\n" for o in OUTPUTS[family])
    return f"typedef struct {{\n{members}}} xc_{family}_out_params;\n"


def one_line(functional: Functional) -> str:
    """Its name in letters that libxc's scripts, which split the source at commas, quotes and braces, leave alone."""
    return " ".join(re.sub(r"[^\w .+-]", " ", plain(functional.name, 100)).split()) or "functional"


@dataclass(frozen=True)
class Record:
    """What libxc's record of a functional says, as C.

    Attributes:
        kind: macro of exchange, correlation or both.
        family: macro of the family.
        flags: macros, without those of the derivatives.
        parameters: lines that define the parameters' struct, names, descriptions and values.
        values: values of the parameters.
        frame: statements that set exact exchange and VV10 of `p`.
    """

    kind: str
    family: str
    flags: str
    parameters: tuple[str, ...]
    values: tuple[float, ...]
    frame: tuple[str, ...]


def record(functional: Functional, name: str) -> Record:
    """The record of a functional whose C code is called `name`."""
    names, values = parameter_names(functional), free_parameters(functional)
    kinds = {"x": "XC_EXCHANGE", "c": "XC_CORRELATION", "xc": "XC_EXCHANGE_CORRELATION"}
    h, nlc, family = functional.hybrid, functional.nlc, functional.family
    hybrid = bool(h.short_range or h.long_range)
    flags = ["XC_FLAGS_3D"]
    flags += ["XC_FLAGS_NEEDS_TAU"] if family == "mgga" else []
    flags += ["XC_FLAGS_HYB_CAM"] if h.omega else []
    flags += ["XC_FLAGS_VV10"] if nlc is not None else []
    parameters, frame = [], []
    if values:
        parameters = [
            "typedef struct {",
            *(f"  double {names[p]};" for p in values),
            f"}} {name}_params;\n",
            f"#define N_PAR {len(values)}",
            f"static const char *names[N_PAR] = {{{', '.join(c_string('_' + names[p]) for p in values)}}};",
            f"static const char *desc[N_PAR] = {{{', '.join(c_string(f'parameter {names[p]}') for p in values)}}};",
            f"static const double par_{name}[N_PAR] = {{{', '.join(repr(v) for v in values.values())}}};\n",
        ]
    if hybrid:
        frame += [
            f"  p->cam_alpha = {h.long_range if h.omega else h.short_range!r};",
            f"  p->cam_beta = {h.short_range - h.long_range if h.omega else 0.0!r};",
            f"  p->cam_omega = {h.omega!r};",
        ]
    if nlc is not None:
        frame += [f"  p->nlc_b = {nlc.b!r};", f"  p->nlc_C = {nlc.C!r};"]
    return Record(
        kinds[kind_of(functional)],
        f"XC_FAMILY_{'HYB_' if hybrid else ''}{family.upper()}",
        " | ".join(flags),
        tuple(parameters),
        tuple(values.values()),
        tuple(frame),
    )
