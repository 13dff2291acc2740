#include "core/fit/fit.hpp"

#include <map>

#include "bindings/bindings.hpp"
#include "core/base/error.hpp"
#include "core/fit/evaluation.hpp"

namespace fastsfes::bindings {
namespace {

using namespace fastsfes::fit;
using Features = std::map<std::string, Array>;
using Rows = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;
/// (channel kind, feature values, coefficient)
using TermTuple = std::tuple<std::string, std::map<std::string, double>, double>;

std::vector<double> vector_of(const Array& a, const std::string& name) {
  if (a.ndim() != 1) throw InputError(name + ": expected a vector, got " + std::to_string(a.ndim()) + " dimensions");
  return {a.data(), a.data() + a.size()};
}

py::array_t<double> array_of(const std::vector<double>& v) {
  return py::array_t<double>(static_cast<py::ssize_t>(v.size()), v.data());
}

std::vector<PointTerm> terms_of(const std::vector<TermTuple>& tuples, const std::vector<ChannelInput>& channels) {
  std::vector<PointTerm> terms;
  for (const auto& [kind, features, coefficient] : tuples) {
    PointTerm term;
    for (; term.channel < channels.size() && channels[term.channel].kind != kind; ++term.channel) {
    }
    if (term.channel == channels.size()) {
      throw InputError("a constraint names channel \"" + kind + "\", which is not among the channels of the problem");
    }
    for (const std::string& name : channels[term.channel].feature_names) {
      const auto it = features.find(name);
      if (it == features.end()) {
        throw InputError("a constraint on channel \"" + kind + "\" lacks a value for feature \"" + name + "\"");
      }
      term.features.push_back(it->second);
    }
    term.coefficient = coefficient;
    terms.push_back(std::move(term));
  }
  return terms;
}

std::unique_ptr<Problem> make_problem(
    const std::vector<std::tuple<std::string, Features, Array>>& channels, const Array& target, const Array& weights,
    const std::optional<std::vector<std::pair<std::string, Rows>>>& blocks, const std::optional<Array>& extra,
    const std::vector<std::tuple<std::vector<TermTuple>, double>>& equalities,
    const std::vector<std::tuple<std::vector<TermTuple>, double, double, double>>& penalties, double ridge,
    std::size_t cache_bytes) {
  ProblemInput in;
  in.target = vector_of(target, "target");
  in.weights = vector_of(weights, "weights");
  const std::size_t rows = in.target.size();
  for (const auto& [kind, features, matrix] : channels) {
    ChannelInput channel;
    channel.kind = kind;
    channel.diagonal = matrix.ndim() == 1;
    if (matrix.ndim() < 1 || matrix.ndim() > 2 || static_cast<std::size_t>(matrix.shape(0)) != rows) {
      throw InputError("channel \"" + kind + "\": expected a matrix of " + std::to_string(rows) +
                       " rows like the target, got " + std::to_string(matrix.ndim()) + " dimensions and " +
                       std::to_string(matrix.ndim() > 0 ? matrix.shape(0) : 0) + " rows");
    }
    channel.nodes = static_cast<std::size_t>(matrix.shape(channel.diagonal ? 0 : 1));
    channel.matrix = matrix.data();
    for (const auto& [name, values] : features) {
      channel.feature_names.push_back(name);
      channel.features.push_back(vector_of(values, "channel \"" + kind + "\", feature \"" + name + "\""));
    }
    in.channels.push_back(std::move(channel));
  }
  if (blocks) {
    for (const auto& [name, indices] : *blocks) {
      Block block{name, {}};
      for (py::ssize_t i = 0; i < indices.size(); ++i) {
        if (indices.data()[i] < 0) throw InputError("block \"" + name + "\": row numbers count from 0");
        block.rows.push_back(static_cast<std::size_t>(indices.data()[i]));
      }
      in.blocks.push_back(std::move(block));
    }
  } else {
    Block all{"train", {}};
    for (std::size_t i = 0; i < rows; ++i) all.rows.push_back(i);
    in.blocks.push_back(std::move(all));
  }
  if (extra) {
    if (extra->ndim() != 2 || static_cast<std::size_t>(extra->shape(0)) != rows) {
      throw InputError("extra: expected a matrix of " + std::to_string(rows) + " rows like the target");
    }
    in.extra = extra->data();
    in.extra_columns = static_cast<std::size_t>(extra->shape(1));
  }
  for (const auto& [terms, value] : equalities) in.equalities.push_back({terms_of(terms, in.channels), value});
  for (const auto& [terms, lower, upper, weight] : penalties) {
    in.penalties.push_back({terms_of(terms, in.channels), lower, upper, weight});
  }
  in.ridge = ridge;
  in.cache_bytes = cache_bytes;
  const Interruptible interruptible;
  return std::make_unique<Problem>(in);
}

std::size_t block_index(const Problem& problem, const std::string& name) {
  for (std::size_t b = 0; b < problem.blocks().size(); ++b) {
    if (problem.blocks()[b].name == name) return b;
  }
  std::string known;
  for (const Block& block : problem.blocks()) known += (known.empty() ? "" : ", ") + block.name;
  throw InputError("block \"" + name + "\" does not exist; the problem has " + known);
}

const double* checked(const Evaluation& evaluation, const Array& parameters) {
  const py::ssize_t n = parameters.ndim() == 0 ? 0 : parameters.shape(parameters.ndim() - 1);
  if (parameters.ndim() < 1 || static_cast<std::size_t>(n) != evaluation.parameters()) {
    throw InputError("parameters: expected " + std::to_string(evaluation.parameters()) + " values, got " +
                     std::to_string(n));
  }
  return parameters.data();
}

}  // namespace

void register_fit(py::module_& m) {
  py::class_<Problem>(m, "FitProblem")
      .def(py::init(&make_problem), py::arg("channels"), py::arg("target"), py::arg("weights"), py::kw_only(),
           py::arg("blocks") = py::none(), py::arg("extra") = py::none(),
           py::arg("equalities") = std::vector<std::tuple<std::vector<TermTuple>, double>>{},
           py::arg("penalties") = std::vector<std::tuple<std::vector<TermTuple>, double, double, double>>{},
           py::arg("ridge") = 0.0, py::arg("cache_bytes") = std::size_t{64} << 20)
      .def_property_readonly("channels",
                             [](const Problem& p) {
                               std::vector<std::string> kinds;
                               for (const ChannelData& c : p.channels()) kinds.push_back(c.kind);
                               return kinds;
                             })
      .def_property_readonly("blocks",
                             [](const Problem& p) {
                               std::vector<std::string> names;
                               for (const Block& b : p.blocks()) names.push_back(b.name);
                               return names;
                             })
      .def_property_readonly("rows", &Problem::rows)
      .def_property_readonly("extra", [](const Problem& p) { return p.extra(); })
      .def(
          "errors",
          [](const Problem& p, const std::vector<Expression>& candidate, const Array& parameters,
             const std::string& block) {
            const std::size_t b = block_index(p, block);
            const Evaluation evaluation(p, candidate);
            return array_of(evaluation.errors(checked(evaluation, parameters), b));
          },
          py::arg("candidate"), py::arg("parameters"), py::arg("block") = "train")
      .def(
          "jacobian",
          [](const Problem& p, const std::vector<Expression>& candidate, const Array& parameters,
             const std::string& block) {
            const std::size_t b = block_index(p, block);
            const Evaluation evaluation(p, candidate);
            const std::vector<double> values = evaluation.jacobian(checked(evaluation, parameters), b);
            const auto columns = static_cast<py::ssize_t>(evaluation.parameters());
            const auto rows = static_cast<py::ssize_t>(p.blocks()[b].rows.size());
            return py::array_t<double>({rows, columns}, values.data());
          },
          py::arg("candidate"), py::arg("parameters"), py::arg("block") = "train")
      .def(
          "losses",
          [](const Problem& p, const std::vector<Expression>& candidate, const Array& parameters, int threads) {
            const Evaluation evaluation(p, candidate);
            const double* values = checked(evaluation, parameters);
            const std::size_t count = parameters.ndim() == 1 ? 1 : static_cast<std::size_t>(parameters.shape(0));
            if (parameters.ndim() > 2) throw InputError("parameters: expected a vector or a matrix");
            py::array_t<double> out(static_cast<py::ssize_t>(count));
            double* target = out.mutable_data();
            {
              const Interruptible interruptible;
              evaluation.objectives(values, count, target, threads);
            }
            return out;
          },
          py::arg("candidate"), py::arg("parameters"), py::arg("threads") = 0)
      .def(
          "equality_errors",
          [](const Problem& p, const std::vector<Expression>& candidate, const Array& parameters) {
            const Evaluation evaluation(p, candidate);
            return array_of(evaluation.equality_errors(checked(evaluation, parameters)));
          },
          py::arg("candidate"), py::arg("parameters"));

  m.attr("SCALE_LIMITS") = py::make_tuple(kLeastScale, kLargestScale);

  py::class_<Options>(m, "FitOptions")
      .def(py::init([](int starts, std::uint64_t seed, int max_evaluations, double ftol, double xtol, bool eliminate) {
             if (starts < 1 || max_evaluations < 1) throw InputError("starts and max_evaluations: expected at least 1");
             return Options{starts, seed, max_evaluations, ftol, xtol, eliminate};
           }),
           py::kw_only(), py::arg("starts") = 1, py::arg("seed") = 0, py::arg("max_evaluations") = 60,
           py::arg("ftol") = 1e-8, py::arg("xtol") = 1e-9, py::arg("eliminate") = true)
      .def_readonly("starts", &Options::starts)
      .def_readonly("seed", &Options::seed)
      .def_readonly("max_evaluations", &Options::max_evaluations);

  py::class_<Result>(m, "Fit")
      .def_property_readonly("parameters", [](const Result& r) { return array_of(r.parameters); })
      .def_property_readonly("linear",
                             [](const Result& r) { return std::vector<bool>(r.linear.begin(), r.linear.end()); })
      .def_property_readonly("losses", [](const Result& r) { return array_of(r.losses); })
      .def_property_readonly("status", [](const Result& r) { return status_name(r.status); })
      .def_readonly("objective", &Result::objective)
      .def_readonly("confirmed", &Result::confirmed)
      .def_readonly("message", &Result::message)
      .def_readonly("evaluations", &Result::evaluations)
      .def_readonly("rank", &Result::rank);

  m.def(
      "fit_batch",
      [](const Problem& problem, const std::vector<std::vector<Expression>>& candidates,
         const std::vector<Array>& starts, const std::optional<Options>& options, int threads,
         const std::optional<std::vector<std::optional<std::pair<Array, Array>>>>& bounds) {
        if (starts.size() != candidates.size() || (bounds && bounds->size() != candidates.size())) {
          throw InputError("starts and bounds: expected one entry per candidate, " + std::to_string(candidates.size()));
        }
        std::vector<Candidate> jobs(candidates.size());
        for (std::size_t i = 0; i < jobs.size(); ++i) {
          jobs[i].expressions = candidates[i];
          jobs[i].start = vector_of(starts[i], "starts[" + std::to_string(i) + "]");
          if (bounds && (*bounds)[i]) {
            jobs[i].lower = vector_of((*bounds)[i]->first, "bounds[" + std::to_string(i) + "]");
            jobs[i].upper = vector_of((*bounds)[i]->second, "bounds[" + std::to_string(i) + "]");
          }
        }
        const Interruptible interruptible;
        return fit_batch(problem, jobs, options.value_or(Options{}), threads);
      },
      py::arg("problem"), py::arg("candidates"), py::arg("starts"), py::arg("options") = py::none(),
      py::arg("threads") = 0, py::arg("bounds") = py::none());
}

}  // namespace fastsfes::bindings
