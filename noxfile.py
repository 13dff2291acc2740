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
    session.install(".[test]", "-Ccmake.define.FASTSFES_SANITIZE=ON", "-Ccmake.build-type=RelWithDebInfo", "-v")
    compiler = session.env.get("CXX", "c++")
    libraries = [
        str(session.run(compiler, f"-print-file-name={name}", external=True, silent=True)).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    session.run(
        "pytest",
        *(session.posargs or ["tests/unit", "tests/kernels", "tests/reference", "tests/fit", "tests/quadrature"]),
        env={
            "LD_PRELOAD": " ".join(libraries),
            # CPython and its extensions keep memory until exit; leaks there are not ours
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        },
    )
