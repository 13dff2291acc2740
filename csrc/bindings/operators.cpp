#include "core/expression/operators.hpp"

#include "bindings/bindings.hpp"
#include "core/expression/features.hpp"
#include "core/expression/printer.hpp"

namespace fastsfes::bindings {
namespace {

py::object text(const char* s) { return s != nullptr ? py::object(py::str(s)) : py::object(py::none()); }

}  // namespace

void register_operators(py::module_& m) {
  m.def(
      "operators",
      [] {
        py::list rows;
        for (const OpInfo& info : all_operators()) {
          const bool primitive = info.kind == OpKind::Primitive;
          py::dict row;
          row["name"] = info.name;
          row["kind"] = info.kind == OpKind::Leaf ? "leaf" : primitive ? "primitive" : "defined";
          row["arity"] = info.arity;
          row["definition"] = text(info.definition);
          row["differential"] = text(info.differential);
          row["interactions"] = text(primitive ? info.interactions : nullptr);
          row["sign"] = text(info.sign);
          row["dimension"] = text(info.dimension);
          row["cost"] = primitive ? py::object(py::float_(info.cost)) : py::object(py::none());
          row["infix"] = text(info.infix);
          row["infix_levels"] = text(info.infix_levels);
          row["cpp"] = text(info.cpp);
          row["maple"] = text(info.maple);
          row["sympy"] = text(info.sympy);
          row["latex"] = text(info.latex);
          row["mathml"] = text(info.mathml);
          row["levels"] = text(info.levels);
          row["label"] = info.label != nullptr ? info.label : info.name;
          row["domain"] = info.domain;
          row["summary"] = info.summary;
          rows.append(row);
        }
        return rows;
      },
      "The operator table: one dict per operator.");
  m.def(
      "features",
      [] {
        py::list rows;
        for (const FeatureInfo& info : all_features()) {
          py::dict row;
          row["name"] = info.name;
          row["summary"] = info.summary;
          row["nonnegative"] = info.nonnegative;
          row["length"] = info.length;
          row["latex"] = info.latex;
          row["mathml"] = info.mathml;
          row["label"] = info.label;
          row["spin"] = text(info.spin);
          row["pair"] = text(info.pair);
          row["total"] = text(info.total);
          row["nodes"] = text(info.nodes);
          row["maple"] = text(info.maple);
          rows.append(row);
        }
        return rows;
      },
      "The feature table: one dict per feature.");
  py::list columns;
  for (const FeatureInfo& info : column_features()) columns.append(info.name);
  m.attr("COLUMNS") = py::tuple(columns);
  m.def("symbol", &print_symbol, py::arg("name"));
}

}  // namespace fastsfes::bindings
