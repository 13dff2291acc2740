#include <algorithm>
#include <limits>
#include <memory>

#include "bindings/bindings.hpp"
#include "core/base/error.hpp"
#include "core/select/bound.hpp"
#include "core/select/conditioned.hpp"
#include "core/select/criterion.hpp"
#include "core/select/dependence.hpp"
#include "core/select/search.hpp"
#include "core/select/sweep.hpp"

namespace fastsfes::bindings {
namespace {

using Sizes = std::vector<std::size_t>;

std::vector<double> numbers(const Array& a) { return {a.data(), a.data() + a.size()}; }

void check(bool good, const std::string& what) {
  if (!good) throw InputError("selection: " + what);
}

/// What is always and never chosen, heredity and groups, for an input that knows its number of terms.
void read_rules(select::Input& in, const Sizes& always, const Sizes& never, const std::vector<Sizes>& parents,
                const std::vector<Sizes>& groups) {
  in.always.assign(in.terms, 0);
  in.never.assign(in.terms, 0);
  const auto mark = [&](const Sizes& which, std::vector<std::uint8_t>& to) {
    for (std::size_t j : which) {
      check(j < in.terms, "term " + std::to_string(j) + " of " + std::to_string(in.terms));
      to[j] = 1;
    }
  };
  mark(always, in.always);
  mark(never, in.never);
  check(parents.empty() || parents.size() == in.terms, "expected the parents of every term");
  in.parents = parents;
  for (const Sizes& of : parents) {
    for (std::size_t p : of) check(p < in.terms, "parent " + std::to_string(p) + " of " + std::to_string(in.terms));
  }
  in.groups = groups;
  std::vector<std::uint8_t> grouped(in.terms, 0);
  for (const Sizes& group : groups) {
    for (std::size_t j : group) {
      check(j < in.terms, "term " + std::to_string(j) + " of " + std::to_string(in.terms));
      check(!grouped[j], "term " + std::to_string(j) + " is in two groups");
      grouped[j] = 1;
    }
  }
}

select::Input read(const Array& matrix, const Array& target, const Array& equality, const Array& value,
                   const Array& inequality, const Array& bound, const Array& weight, const Array& limit,
                   const Sizes& always, const Sizes& never, const std::vector<Sizes>& parents,
                   const std::vector<Sizes>& groups) {
  check(matrix.ndim() == 2 && target.ndim() == 1 && target.shape(0) == matrix.shape(0),
        "expected a matrix (rows, terms) and a target (rows)");
  select::Input in;
  in.rows = static_cast<std::size_t>(matrix.shape(0));
  in.terms = static_cast<std::size_t>(matrix.shape(1));
  const auto rows_of = [&](const Array& m, const Array& v, const char* name) {
    check(v.ndim() == 1 && m.size() == v.size() * matrix.shape(1),
          std::string(name) + ": expected a matrix (rows, terms) and one value per row");
  };
  rows_of(equality, value, "equalities");
  rows_of(inequality, bound, "inequalities");
  check(weight.size() == bound.size(), "expected one weight per inequality");
  check(limit.size() == matrix.shape(1), "expected one limit per term");
  in.matrix = numbers(matrix);
  in.target = numbers(target);
  in.equality_matrix = numbers(equality);
  in.equality_value = numbers(value);
  in.inequality_matrix = numbers(inequality);
  in.inequality_bound = numbers(bound);
  in.inequality_weight = numbers(weight);
  for (double w : in.inequality_weight) check(w > 0.0, "expected positive weights of inequalities");
  in.limit = numbers(limit);
  read_rules(in, always, never, parents, groups);
  return in;
}

/// A problem with the criterion that it may have.
struct Selection {
  explicit Selection(select::Input given) : input(std::move(given)), problem(input) {
    for (std::size_t j = 0; j < problem.terms; ++j) {
      check(!problem.always[j] || !problem.never[j],
            "term " + std::to_string(j) + " would always be chosen and never: the rules contradict each other");
    }
  }
  select::Input input;
  select::Problem problem;
  std::unique_ptr<select::Criterion> criterion;
};

/// Asked between pieces of work; Ctrl-C ends them.
bool interrupted() {
  py::gil_scoped_acquire acquire;
  return PyErr_Occurred() != nullptr || PyErr_CheckSignals() != 0;
}

void check_size(const select::Problem& problem, std::size_t size) {
  const std::size_t most = problem.open().size(), least = problem.forced();
  check(size >= std::max<std::size_t>(least, 1) && size <= most, "cannot choose " + std::to_string(size) + " of " +
                                                                     std::to_string(most) + " terms, " +
                                                                     std::to_string(least) + " of them always");
}

void check_subset(const select::Problem& problem, const Sizes& terms) {
  Sizes sorted = terms;
  std::sort(sorted.begin(), sorted.end());
  check(!sorted.empty() && sorted.back() < problem.terms, "expected terms among " + std::to_string(problem.terms));
  check(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(), "a term is given twice");
}

py::array_t<double> unscaled(const select::Problem& problem, const Sizes& terms, const std::vector<double>& x) {
  py::array_t<double> out(static_cast<py::ssize_t>(terms.size()));
  for (std::size_t k = 0; k < terms.size(); ++k)
    out.mutable_at(static_cast<py::ssize_t>(k)) = x[k] * problem.scale[terms[k]];
  return out;
}

}  // namespace

void register_select(py::module_& m) {
  m.def(
      "followed_rules",
      [](std::size_t terms, const Sizes& always, const Sizes& never, const std::vector<Sizes>& parents,
         const std::vector<Sizes>& groups) {
        select::Input in;
        in.terms = terms;
        read_rules(in, always, never, parents, groups);
        select::follow(in.parents, in.groups, in.always, in.never);
        const auto marked = [](const std::vector<std::uint8_t>& flags) {
          Sizes out;
          for (std::size_t j = 0; j < flags.size(); ++j) {
            if (flags[j] != 0) out.push_back(j);
          }
          return out;
        };
        return py::make_tuple(marked(in.always), marked(in.never));
      },
      py::arg("terms"), py::arg("always"), py::arg("never"), py::arg("parents"), py::arg("groups"));
  py::class_<Selection>(m, "Selection")
      .def(py::init([](const Array& matrix, const Array& target, const Array& equality, const Array& value,
                       const Array& inequality, const Array& bound, const Array& weight, const Array& limit,
                       const Sizes& always, const Sizes& never, const std::vector<Sizes>& parents,
                       const std::vector<Sizes>& groups) {
             return std::make_unique<Selection>(read(matrix, target, equality, value, inequality, bound, weight, limit,
                                                     always, never, parents, groups));
           }),
           py::arg("matrix"), py::arg("target"), py::arg("equality"), py::arg("value"), py::arg("inequality"),
           py::arg("bound"), py::arg("weight"), py::arg("limit"), py::arg("always") = Sizes{},
           py::arg("never") = Sizes{}, py::arg("parents") = std::vector<Sizes>{},
           py::arg("groups") = std::vector<Sizes>{})
      .def(
          "judge_by",
          [](Selection& self, const std::vector<std::ptrdiff_t>& fold, const std::vector<std::ptrdiff_t>& bin,
             std::vector<double> factor) {
            check(fold.size() == self.input.rows && bin.size() == self.input.rows,
                  "expected the fold and the bin of every row");
            Sizes folds, bins;
            for (std::ptrdiff_t f : fold) {
              folds.push_back(f < 0 ? select::Criterion::kNone : static_cast<std::size_t>(f));
            }
            for (std::ptrdiff_t b : bin) {
              check(b < static_cast<std::ptrdiff_t>(factor.size()), "expected one factor per bin");
              bins.push_back(b < 0 ? select::Criterion::kNone : static_cast<std::size_t>(b));
            }
            py::gil_scoped_release release;
            self.criterion = std::make_unique<select::Criterion>(self.input, folds, bins, std::move(factor));
          },
          py::arg("fold"), py::arg("bin"), py::arg("factor"))
      .def(
          "search",
          [](const Selection& self, std::size_t size, std::size_t restarts, std::size_t patience, std::size_t screen,
             std::size_t keep, std::uint64_t seed, int threads, std::vector<Sizes> starts, bool judged) {
            const select::Problem& p = self.problem;
            check_size(p, size);
            check(restarts > 0 && keep > 0 && screen > 0,
                  "expected positive numbers of restarts, subsets and screened");
            for (const Sizes& start : starts) check_subset(p, start);
            const select::Plan plan{size, restarts, patience, screen, keep, seed, threads, std::move(starts)};
            select::Outcome found;
            {
              py::gil_scoped_release release;
              found = select::search(p, judged ? self.criterion.get() : nullptr, plan, interrupted);
            }
            if (PyErr_Occurred() != nullptr) throw py::error_already_set();
            py::list subsets;
            for (const select::Subset& s : found.subsets) subsets.append(py::make_tuple(s.terms, s.value));
            py::dict out;
            out["subsets"] = subsets;
            out["agreeing"] = found.agreeing;
            out["restarts"] = found.restarts;
            out["scored"] = found.scored;
            out["solved"] = found.solved;
            return out;
          },
          py::arg("size"), py::arg("restarts") = 16, py::arg("patience") = 40, py::arg("screen") = 1000,
          py::arg("keep") = 16, py::arg("seed") = 0, py::arg("threads") = 0, py::arg("starts") = std::vector<Sizes>{},
          py::arg("judged") = true)
      .def(
          "bound",
          [](const Selection& self, std::size_t size, double value, std::size_t nodes) {
            check_size(self.problem, size);
            select::Bound found;
            {
              py::gil_scoped_release release;
              found = select::leaps_and_bounds(self.problem, size, value, nodes, interrupted);
            }
            if (PyErr_Occurred() != nullptr) throw py::error_already_set();
            return py::make_tuple(found.terms, found.value, found.lower, found.complete, found.nodes);
          },
          py::arg("size"), py::arg("value"), py::arg("nodes"))
      .def("open", [](const Selection& self) { return self.problem.open(); })
      .def(
          "independent",
          [](const Selection& self, const Sizes& terms) {
            check_subset(self.problem, terms);
            return select::independent(self.problem, terms);
          },
          py::arg("terms"))
      .def(
          "solve",
          [](const Selection& self, const Sizes& terms) -> py::object {
            check_subset(self.problem, terms);
            select::Conditioned conditioned(self.problem);
            if (conditioned.solve(terms, std::numeric_limits<double>::infinity()) !=
                select::Conditioned::Status::Optimal) {
              return py::none();
            }
            return py::make_tuple(conditioned.residual(), unscaled(self.problem, terms, conditioned.coefficients()));
          },
          py::arg("terms"))
      .def(
          "judge",
          [](const Selection& self, const Sizes& terms) {
            check_subset(self.problem, terms);
            check(self.criterion != nullptr, "no criterion was given");
            return select::Judge(*self.criterion)(terms, std::numeric_limits<double>::infinity());
          },
          py::arg("terms"));
}

}  // namespace fastsfes::bindings
