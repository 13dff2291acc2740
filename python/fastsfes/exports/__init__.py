"""Export: functionals as source for other programs, without loss of digits.

`export` writes one functional in one format. All formats of code are made from the same expression graph, that of
`Functional.energy_density` (its `derivative_expressions`), by one walk (`straightline`), and give
its values to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..common.arguments import meant
from ..common.errors import InputError
from ..common.files import check_output, make_parent, user_path, write_output
from ..functionals.functional import Functional
from ..functionals.load import load
from . import (
    building,
    c,
    dot,
    jax_file,
    json_file,
    latex,
    libxc,
    libxc_parameters,
    libxc_preload,
    libxc_tree,
    pyscf_file,
    syfes_file,
    sympy_file,
    torch_file,
    xcfun,
)

__all__ = ["FORMATS", "export"]

Writer = Callable[[Functional, str], Mapping[str, str]]
"""From a functional and the stem of the output file to the texts of the files, by their names."""

FORMATS: Mapping[str, tuple[str, str, Writer | None]] = {
    "json": (".json", "JSON that fastsfes reads again", json_file.files),
    "pyscf": (".py", "Python file that needs NumPy and PySCF only, with an `attach` for RKS and UKS", pyscf_file.files),
    "c": (".c", "C99 source and header, first and second derivatives, self-test", c.c_files),
    "cpp": (".hpp", "C++17 header, first and second derivatives, self-test", c.cpp_files),
    "libxc": ("", "folder: Maple file, registration, generated C and test for libxc 7", libxc.files),
    "libxc-preload": (".c", "C file of a library that adds it to a program's libxc by LD_PRELOAD", libxc_preload.files),
    "libxc-tree": ("", "into libxc's sources (--libxc SOURCE: 5.2, 6 or 7), and the library built of them", None),
    "libxc-parameters": (".txt", "refits of forms that libxc has: values of its parameters", libxc_parameters.files),
    "xcfun": (".hpp", "C++ template over the number type, as XCFun's functionals", xcfun.files),
    "jax": (".py", "JAX functions, differentiable in densities and parameters", jax_file.files),
    "torch": (".py", "PyTorch functions; a path that ends in .fun: TorchScript for Skala and GauXC", torch_file.files),
    "sympy": (".py", "SymPy expressions", sympy_file.files),
    "latex": (".tex", "LaTeX document with formulas and parameters", latex.files),
    "dot": (".dot", "graphs of the factors for Graphviz; a path that ends in .svg or .pdf: drawn by it", dot.files),
    "syfes": (".json", "SyFES's JSON: instruction lists of the factors, and parameters", syfes_file.files),
}
"""Per format the usual ending of the file, what it is, and who writes its files, where that is all."""

BUILT = {
    "libxc-preload": ((".so",), building.build_preload),
    "torch": ((".fun",), building.build_torch),
    "dot": ((".svg", ".pdf"), building.build_drawing),
}
"""Per format the endings of paths that are built from the file, which is written beside it, and who builds them."""


def export(
    functional: Functional | str | Path,
    format: str,
    path: str | Path,
    *,
    digits: int | None = None,
    printed: Mapping[str, str] | None = None,
    name: str | None = None,
    libxc_path: str | Path | None = None,
) -> list[Path]:
    """Write a functional for other programs.

    Args:
        functional: a functional, or text that `fastsfes.functionals.load` reads.
        format: one of `FORMATS`.
        path: the file to write, with the ending of the format or none, in a folder that exists; for "libxc" the folder,
            for "libxc-tree" the folder that libxc is built in and installed to. An existing file is overwritten. For
            "libxc-preload" a name that ends in .so, for "torch" in .fun, for "dot" in .svg or .pdf: the file is written
            beside it, with the same stem, and what ends so is built of it.
        digits: of the parameters in the table of "latex"; everything else has all digits always.
        printed: texts of the parameters in the table of "latex", by "channel.name", such as `RoundedParameters.texts`.
        name: what the functional is called there, in place of its own name.
        libxc_path: for "libxc-preload" the prefix of the libxc that a library is compiled for, by default the system's;
            for "libxc-tree" the folder of libxc's sources, which are changed.

    Returns:
        The files written.

    Raises:
        InputError: on an unknown format, another format's ending, a name that libxc
            or XCFun has for a functional of its own, or sources of another libxc.
        WriteError: when a file cannot be written.
        FastsfesError: when a library cannot be compiled.
    """
    if format not in FORMATS:
        raise InputError(f'format "{format}" is unknown; {meant(format, FORMATS, "expected one of")}')
    if (digits is not None or printed is not None) and format != "latex":
        raise InputError(f"digits are for latex; {format} is written with all digits")
    path = user_path(path)
    library = path if format in BUILT and path.suffix.lower() in BUILT[format][0] else None
    if libxc_path is not None:
        libxc_path = user_path(libxc_path)
        if format != "libxc-tree" and (library is None or format != "libxc-preload"):
            raise InputError(
                "a path of libxc is for libxc-preload with a library, a path that ends in .so, and for libxc-tree"
            )
    elif format == "libxc-tree":
        raise InputError("libxc-tree needs libxc's sources: --libxc SOURCE, a folder such as libxc-5.2.3")
    made = load(functional)
    if name is not None:
        if not name.strip():
            raise InputError("the name is empty; expected one such as my_gas22")
        made = replace(made, name=name)
    if library is not None:
        path = library.with_suffix(FORMATS[format][0])
    ending = FORMATS[format][0]
    if ending:
        check_output(path, "")
        if path.suffix == "":
            path = path.with_suffix(ending)
        if path.suffix.lower() != ending:
            raise InputError(f'{path}: format "{format}" is written to a file whose name ends in {ending}')
    elif path.exists() and not path.is_dir():
        raise InputError(
            f'{path}: is a file; format "{format}" is written to a folder, which is made where it is absent'
        )
    writer = FORMATS[format][2] if format != "latex" else partial(latex.files, digits=digits, printed=printed)
    if writer is None:
        assert isinstance(libxc_path, Path)
        return [*libxc_tree.add(made, libxc_path), building.build_tree(libxc_path, path)]
    texts = writer(made, path.stem if ending else path.name)
    folder = path.parent if ending else path
    written = []
    for name, text in texts.items():
        target = folder / name if name else path
        make_parent(target)
        write_output(target, text)
        written.append(target)
    if library is not None:
        BUILT[format][1](path, library, libxc_path)
        written.append(library)
    return written
