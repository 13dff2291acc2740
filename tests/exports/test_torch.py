"""PyTorch files and TorchScript models: values and slopes are those of fastsfes; Skala's package loads the model."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest
from export_points import NAMES, functional

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.functionals.frame import Hybrid

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def semilocal(name: str) -> fs.Functional:
    return replace(functional(name), hybrid=Hybrid(), nlc=None)


def load_file(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_torch_it_is_said(tmp_path, capsys):
    """The Python file is written in any case; hybrids have no place in a .fun file."""
    path = tmp_path / "mine.fun"
    if importlib.util.find_spec("torch") is None:
        assert main(["export", "pbe", "--format", "torch", "--output", str(path)]) == 1
        said = capsys.readouterr().err
        assert "mine.py was written, but not mine.fun" in said
        assert "No module named 'torch'" in said
    else:
        with pytest.raises(fs.FastsfesError, match=r"pbe0 has exact exchange or VV10, which a \.fun file cannot hold"):
            fs.export("pbe0", "torch", path)
    compile((tmp_path / "mine.py").read_text(), "mine.py", "exec")


@pytest.mark.parametrize("name", NAMES)
def test_values_and_slopes(name, points, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is an optional dependency of the exported file")
    f = functional(name)
    made = load_file(*fs.export(f, "torch", tmp_path / "made.py"))
    for p in points:
        inputs = [torch.tensor(a, requires_grad=True) for a in (p.rho, p.sigma, p.tau)]
        exc = (made.exc_pol if p.polarised else made.exc_unpol)(*inputs)
        p.check(f, exc.detach().numpy())
        exc.sum().backward()
        exact = f.energy_density(p.rho, p.sigma, p.tau, deriv=1)
        present = (p.rho.min(axis=0) if p.polarised else p.rho) > 1e-9
        for tensor, want in zip(inputs, (exact.vrho, exact.vsigma, exact.vtau), strict=True):
            if tensor.grad is None:
                assert want is None
                continue
            got = np.atleast_2d(tensor.grad.numpy())
            assert np.all(np.isfinite(got))
            values = np.zeros(got.shape) if want is None else np.atleast_2d(want)
            scale = np.abs(values).max(axis=0)
            error = np.abs(got - values)[:, present] / np.where(scale > 0, scale, 1.0)[present]
            # both differentiate the same formula by other rules: see the tails in compiling.py
            assert np.quantile(error, 0.99) < 1e-9
            assert error.max() < 1e-4


@pytest.mark.parametrize("name", ["lda", "pbe", "b97m_v"])
def test_model(name, points, tmp_path):
    """The TorchScript file, loaded by PyTorch alone and by Skala's package, on other numbers of points than traced."""
    torch = pytest.importorskip("torch", reason="PyTorch is an optional dependency of the exported file")
    f = semilocal(name)
    _, path = fs.export(f, "torch", tmp_path / "made.fun")
    texts = dict.fromkeys(("protocol_version", "features", "metadata", "expected_d3_settings"), "")
    models = [torch.jit.load(str(path), _extra_files=texts)]
    texts = {k: json.loads(v) for k, v in texts.items()}
    assert texts["protocol_version"] == 2
    assert texts["expected_d3_settings"] is None
    rung = ("lda", "gga", "mgga").index(f.family)
    assert texts["features"] == [*["density", "grad", "kin"][: rung + 1], "grid_weights"]
    if importlib.util.find_spec("skala") is not None:
        from skala.functional.load import TracedFunctional

        models.append(TracedFunctional.load(str(path)))
    p = points[1]
    length = np.sqrt(p.sigma[0])
    along = np.divide(p.sigma[1], length, out=np.zeros_like(length), where=length > 0)
    across = np.sqrt(np.maximum(p.sigma[2] - along**2, 0))
    zero = np.zeros_like(length)
    grad = np.array([[length, zero, zero], [along, across, zero]])
    sigma = np.array([(grad[0] ** 2).sum(0), (grad[0] * grad[1]).sum(0), (grad[1] ** 2).sum(0)])
    mol = {
        k: torch.tensor(v)
        for k, v in {"density": p.rho, "grad": grad, "kin": p.tau, "grid_weights": p.weights}.items()
        if k in texts["features"]
    }
    exact = f.energy_density(p.rho, sigma, p.tau, deriv=1)
    for model in models:
        density = mol["density"].clone().requires_grad_(True)
        exc = model.get_exc_density({**mol, "density": density})
        p.check(f, exc.detach().numpy(), 1e-11)
        total = model.get_exc({**mol, "density": density})
        # a sum of 10^4 terms in another order
        assert float(total.detach()) == pytest.approx(float(p.weights @ exact.exc), rel=1e-12)
        total.backward()
        present = p.rho.min(axis=0) > 1e-9
        got = (density.grad.numpy() / p.weights)[:, present]
        scale = np.abs(exact.vrho).max(axis=0)[present]
        assert np.quantile(np.abs(got - exact.vrho[:, present]) / scale, 0.99) < 1e-9
