#include "core/jit/tiers.hpp"

#include "bindings/bindings.hpp"

#include <array>
#include <utility>

#include "core/base/error.hpp"
#include "core/base/isa.hpp"
#include "core/jit/background.hpp"
#include "core/jit/disk_cache.hpp"

namespace fastsfes::bindings {
namespace {

std::vector<const Program*> pointers(const std::vector<py::object>& programs) {
  std::vector<const Program*> result;
  for (const py::object& p : programs) result.push_back(p.cast<const Program*>());
  return result;
}

jit::Form form_of(bool sums) { return sums ? jit::Form::Sums : jit::Form::Values; }

}  // namespace

void emit_jit_warning() {
  const std::string message = jit::KernelCache::instance().take_warning();
  if (!message.empty() && PyErr_WarnEx(PyExc_RuntimeWarning, message.c_str(), 1) != 0) throw py::error_already_set();
}

py::dict jit_info() {
  auto& cache = jit::KernelCache::instance();
  py::dict info;
  const std::string compiler = cache.compiler_identity();
  info["compiler"] = compiler.substr(0, compiler.find(':'));
  std::string flags;
  for (const std::string& flag : jit::optimisation_flags(jit::find_compiler())) flags += flag + " ";
  bool first = true;
  for (const std::string& flag : jit::kernel_flags(best_isa()))
    flags += (std::exchange(first, false) ? "" : " ") + flag;
  info["flags"] = flags;
  const jit::CacheDirectory directory = jit::open_cache_directory();
  info["cache"] = directory.path;
  info["cache_problem"] = directory.problem;
  info["backend"] =
      std::array<const char*, 3>{"auto", "interpreter", "compiled"}[static_cast<std::size_t>(jit::backend())];
  return info;
}

void register_jit(py::module_& m) {
  m.def("jit_backend", [] { return static_cast<int>(jit::backend()); });
  m.def(
      "jit_set_backend",
      [](int backend) {
        if (backend < 0 || backend > 2) throw InputError("backend: expected 0, 1 or 2");
        jit::set_backend(static_cast<jit::Backend>(backend));
      },
      py::arg("backend"));
  m.def(
      "jit_compile",
      [](const std::vector<py::object>& programs, bool sums) {
        const auto list = pointers(programs);
        std::size_t count = 0;
        {
          const Interruptible interruptible;
          count = jit::compile_all(list, form_of(sums));
        }
        emit_jit_warning();
        return count;
      },
      py::arg("programs"), py::arg("sums") = false);
  m.def(
      "jit_compile_in_background",
      [](const std::vector<py::object>& programs) {
        const auto list = pointers(programs);
        if (jit::backend() == jit::Backend::Interpreter) return;
        for (const Program* program : list) {
          if (program->slot(jit::Form::Values).function.load() == nullptr) {
            static_cast<void>(jit::compile_in_background(*program, jit::Form::Values));  // a forked child interprets
          }
        }
      },
      py::arg("programs"));
  m.def("jit_wait", [] {
    const Interruptible interruptible;
    jit::wait_for_background();
  });
  m.def(
      "check_environment",
      [] {
        static_cast<void>(best_isa());
        static_cast<void>(jit::backend());
        static_cast<void>(jit::find_compiler());
      },
      "Raise InputError when FASTSFES_ISA, FASTSFES_BACKEND or CXX holds what does not exist.");
  m.def(
      "jit_precompile",
      [](const std::vector<py::object>& programs, const std::string& isa) {
        const Isa target = isa.empty() ? best_isa() : isa_named(isa, "precompile");
        const auto list = pointers(programs);
        std::size_t count = 0;
        {
          const Interruptible interruptible;
          count = jit::KernelCache::instance().precompile(list, target);
        }
        emit_jit_warning();
        return count;
      },
      py::arg("programs"), py::arg("isa") = "");
  m.def(
      "jit_source",
      [](const Program& program, bool sums) {
        return "void kernel" + jit::lower_body(program, form_of(sums), best_isa());
      },
      py::arg("program"), py::arg("sums") = false);
  m.def("jit_key", [](const Program& program) {
    return jit::kernel_key(jit::lower_body(program, jit::Form::Values, best_isa()), best_isa());
  });
  m.def(
      "jit_is_compiled",
      [](const Program& program, bool sums) { return program.slot(form_of(sums)).function.load() != nullptr; },
      py::arg("program"), py::arg("sums") = false);
  m.def("jit_costs", [](const Program& program) {
    return py::make_tuple(jit::interpreter_cost(program), jit::compile_cost(program));
  });
  m.def("jit_statistics", [] {
    const jit::CacheStatistics s = jit::KernelCache::instance().statistics();
    py::dict d;
    d["compiled"] = s.compiled;
    d["units"] = s.units;
    d["from_disk"] = s.from_disk;
    d["from_memory"] = s.from_memory;
    d["in_memory"] = s.in_memory;
    d["compile_seconds"] = s.compile_seconds;
    return d;
  });
  m.def("jit_reset", [] { jit::KernelCache::instance().reset(); });
  m.def("jit_clear_disk", [] { return jit::clear_entries(jit::open_cache_directory()); });
}

}  // namespace fastsfes::bindings
