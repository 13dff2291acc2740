"""A Python file of PyTorch functions, and a model of them that programs load as TorchScript (".fun").

A .fun file, as Skala (10.48550/arXiv.2506.14665), GauXC and CP2K load it, is a TorchScript module with two methods,
`get_exc_density` and `get_exc`, of a dict of tensors; beside it are texts of JSON: protocol_version (2), features (the
names in the dict), metadata, and expected_d3_settings.
"""

from __future__ import annotations

from dataclasses import replace

from ..functionals.functional import Functional
from .describe import description, identifier, line_comments, thresholds
from .python_code import energy_functions, parameter_table, python_language

__all__ = ["files"]

_PLAIN = python_language("torch", "torch.special")
_HELPERS = {
    "floor": """def _floor(x, least):
    # a maximum with the slope of x on either side of it
    return torch.where(x < least, least + (x - x.detach()), x)
""",
    "cbrt": """def _cbrt(x):
    return torch.sign(x) * torch.abs(x) ** (1.0 / 3.0)
""",
    "pow": """def _pow(a, b):
    return torch.pow(a, b)
""",
    # TorchScript knows no "or" of a tensor and a Python bool, which b != b is for a number
    "min": """def _min(a, b):
    b = torch.as_tensor(b, dtype=torch.float64)
    return torch.where((b < a) | torch.isnan(b), b, a)
""",
    "max": """def _max(a, b):
    b = torch.as_tensor(b, dtype=torch.float64)
    return torch.where((b > a) | torch.isnan(b), b, a)
""",
}
TORCH = replace(
    _PLAIN,
    functions={**_PLAIN.functions, "asinh": "torch.asinh", "atan": "torch.atan", **{f: f"_{f}" for f in _HELPERS}},
    helpers={**_PLAIN.helpers, **_HELPERS},
    nan='float("nan")',
)

_HEAD = """
import json
import sys

import torch

NAME = {name!r}
# exact exchange at short and long range, and omega; VV10's b and C
HYBRID = {hybrid!r}
VV10 = {nlc!r}
FEATURES = {features!r}
PARAMETERS = {{
{parameters}
}}


def _float64(x):
    return torch.as_tensor(x, dtype=torch.float64)
"""

_TAIL = '''

class Model(torch.nn.Module):
    """The functional of a dict of tensors: density (2, n), grad (2, 3, n), kin (2, n) and grid_weights (n,)."""

    def __init__(self, parameters=PARAMETERS):
        super().__init__()
        self.values = torch.nn.ParameterDict(
            {k: torch.nn.Parameter(torch.tensor(v, dtype=torch.float64)) for k, v in parameters.items()}
        )

    def get_exc_density(self, mol):
        """Energy per volume (n,), hartree/bohr^3."""
        sigma = tau = None
        if "grad" in FEATURES:
            a, b = mol["grad"].double()
            sigma = torch.stack([(a * a).sum(0), (a * b).sum(0), (b * b).sum(0)])
        if "kin" in FEATURES:
            tau = mol["kin"].double()
        return exc_pol(mol["density"].double(), sigma, tau, self.values)

    def get_exc(self, mol):
        """Energy, hartree."""
        return (self.get_exc_density(mol) * mol["grid_weights"].double()).sum()

    def save(self, path):
        """Write it as TorchScript of protocol 2; exact exchange and VV10 have no place there."""
        if any(HYBRID) or VV10 is not None:
            raise ValueError(f"{NAME} has exact exchange or VV10, which a .fun file cannot hold")
        self.requires_grad_(False)
        n = 3
        mol = {
            "density": torch.full((2, n), 0.3, dtype=torch.float64),
            "grad": torch.full((2, 3, n), 0.1, dtype=torch.float64),
            "kin": torch.full((2, n), 0.4, dtype=torch.float64),
            "grid_weights": torch.ones(n, dtype=torch.float64),
        }
        mol = {k: v for k, v in mol.items() if k in FEATURES}
        traced = torch.jit.trace_module(self, {"get_exc_density": (mol,), "get_exc": (mol,)}, strict=False)
        texts = {
            "protocol_version": 2,
            "features": FEATURES,
            "metadata": {"name": NAME},
            "expected_d3_settings": None,
        }
        torch.jit.save(traced, str(path), _extra_files={k: json.dumps(v).encode() for k, v in texts.items()})


if __name__ == "__main__":
    Model().save(sys.argv[1])
'''


def files(functional: Functional, stem: str) -> dict[str, str]:
    """One Python file."""
    code, layouts = energy_functions(
        functional, TORCH, "_float64({})", "torch.as_tensor(values[0], dtype=torch.float64).expand({})"
    )
    h = functional.hybrid
    used = {"lda": ["density"], "gga": ["density", "grad"], "mgga": ["density", "grad", "kin"]}
    head = _HEAD.format(
        name=identifier(functional.name),
        hybrid=(h.short_range, h.long_range, h.omega),
        nlc=None if functional.nlc is None else (functional.nlc.b, functional.nlc.C),
        features=[*used[functional.family], "grid_weights"],
        parameters="\n".join(parameter_table(layouts, functional)),
    )
    own = identifier(stem)
    usage = [
        "",
        *thresholds(),
        "",
        f"    import {own}",
        f"    {own}.exc_unpol(rho, sigma, tau)                     # tensors; differentiable by autograd",
        f"    model = {own}.Model()                                # its parameters can be trained",
        f"    python {own}.py {own}.fun                            # the model as TorchScript",
    ]
    return {"": line_comments([*description(functional), *usage]) + head + code + _TAIL}
