#include "core/expression/operators.hpp"
#include "bindings/bindings.hpp"

namespace fastsfes::bindings {

void register_operators(py::module_& m) {
  m.def(
      "operators",
      [] {
        py::list rows;
        const auto text = [](const char* s) -> py::object {
          return s ? py::object(py::str(s)) : py::object(py::none());
        };
        for (const OpInfo& info : all_operators()) {
          py::dict row;
          row["name"] = info.name;
          row["kind"] = info.kind == OpKind::Leaf ? "leaf" : info.kind == OpKind::Primitive ? "primitive" : "defined";
          row["arity"] = info.arity;
          row["definition"] = text(info.definition);
          row["differential"] = text(info.differential);
          row["cpp"] = text(info.cpp);
          row["maple"] = text(info.maple);
          row["latex"] = text(info.latex);
          row["domain"] = info.domain;
          row["summary"] = info.summary;
          rows.append(row);
        }
        return rows;
      },
      "The operator table: one dict per operator.");
  m.def(
      "feature_names",
      [] {
        py::list names;
        for (const auto name : feature_names()) names.append(py::str(name.data(), name.size()));
        return names;
      },
      "The names that are features in every expression.");
}

}  // namespace fastsfes::bindings
