"""Sessions for developers: `nox -l` lists them, `nox -s tests` runs one."""

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "venv"

CHECKERS = ".ci/checkers.txt"  # the versions whose opinion counts
CODE = ("python", "tests", "bench", "noxfile.py")


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
def tests(session: nox.Session) -> None:
    """Run the default tests."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that take minutes."""
    session.install(".[test]")
    session.run("pytest", "-m", "slow", *session.posargs)


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
    """Fuzz the parser of the core with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer (needs Clang)."""
    session.install("cmake", "ninja", "pybind11")
    folder = "build/fuzz"
    flags = "-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined"
    pybind = str(session.run("python", "-m", "pybind11", "--cmakedir", silent=True)).strip()
    session.run(
        "cmake", "-S", ".", "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DFASTSFES_FUZZ=ON",
        "-DCMAKE_CXX_COMPILER=clang++", f"-DCMAKE_CXX_FLAGS={flags}", f"-Dpybind11_DIR={pybind}",
    )  # fmt: skip
    session.run("cmake", "--build", folder, "--target", "expression_fuzzer")
    session.run(
        f"{folder}/csrc/expression_fuzzer", "-dict=tests/fuzz/expression.dict", "-max_len=4000", "-timeout=10",
        "-rss_limit_mb=4096", *(session.posargs or ["-runs=1000000"]), external=True,
    )  # fmt: skip
