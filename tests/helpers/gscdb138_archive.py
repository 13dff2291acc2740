"""A small archive in the layout of GSCDB138: seven molecules, four sets."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

Table = Sequence[Sequence[str]]

HEADER = "charge={}, multiplicity={}, basis=def2-QZVPPD, multipole_field={}, mem_total=3750, num_basis=94"


def xlsx(sheets: Mapping[str, Table]) -> bytes:
    """A workbook as spreadsheet programs write it: shared strings in the first sheet, inline ones in others."""
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    related = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    strings: list[str] = []

    def cell(text: str, place: str, shared: bool) -> str:
        try:
            float(text)
        except ValueError:
            if not shared:
                return f'<c r="{place}" t="inlineStr"><is><t>{escape(text)}</t></is></c>'
            strings.append(text)
            return f'<c r="{place}" t="s"><v>{len(strings) - 1}</v></c>'
        return f'<c r="{place}"><v>{text}</v></c>'

    parts = {}
    for k, table in enumerate(sheets.values()):
        rows = "".join(
            f"<row>{''.join(cell(t, f'{chr(65 + c)}{r}', k == 0) for c, t in enumerate(row) if t)}</row>"
            for r, row in enumerate(table, 1)
        )
        parts[f"xl/worksheets/sheet{k + 1}.xml"] = f"<worksheet {space}><sheetData>{rows}</sheetData></worksheet>"
    listed = "".join(f'<sheet name="{name}" sheetId="{k}" r:id="r{k}"/>' for k, name in enumerate(sheets))
    parts["xl/workbook.xml"] = f"<workbook {space} {related}><sheets>{listed}</sheets></workbook>"
    targets = "".join(f'<Relationship Id="r{k}" Target="worksheets/sheet{k + 1}.xml"/>' for k in range(len(sheets)))
    parts["xl/_rels/workbook.xml.rels"] = f"<Relationships>{targets}</Relationships>"
    items = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    parts["xl/sharedStrings.xml"] = f"<sst {space}>{items}</sst>"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def xyz(lines: Sequence[str], charge: int = 0, multiplicity: int = 1, field: str = "{}") -> str:
    return "\n".join([str(len(lines)), HEADER.format(charge, multiplicity, field), *lines]) + "\n"


GEOMETRIES = {
    "h2": xyz(["H 0 0 0", "H1 0 0 0.74"]),
    "h": xyz(["h 0 0 0"], multiplicity=2),
    "h2_far": xyz(["H 0 0 0", "H 0 0 1.5"]),
    "h2_field": xyz(["H 0 0 0", "H 0 0 0.74"], field="{'Z': 0.01}"),
    "he": xyz(["He 0 0 0"]),
    "he2": xyz(["He 0 0 0", "He 0 0 3.0"]),
    "h2_step": xyz(["H 0 0 0", "H 0 0 0.75"]),
}

FILES = {
    "Info/DatasetEval.xlsx": {
        "Sheet1": [
            ["Reaction", "Dataset", "Reference", "Stoichiometry"],
            ["AlkAtom19_1", "AlkAtom19", "0.17", "2,h,-1,h2"],
            ["MINE_1", "MINE", "0.1", "1,h2_far,-1,h2"],
            ["MINE_2", "MINE", "-0.00002", "1,he2,-2,he"],
            ["OEEF_1", "OEEF", "0.01", "1,h2_field,-1,h2"],
            ["V30_1", "V30", "0.0000002", "1,h2_step,-1,h2"],
            ["MOR13_1", "MOR13", "0.02", "1,h2_far,-2,h"],
        ],
        "TMC34": [["Reaction", "Dataset", "Weight"], ["MOR13_1", "MOR13", "0.5"], ["MOR13_residule", "MOR13", "0.25"]],
    },
    "Info/Datasets.xlsx": {
        "Sheet1": [
            [
                "Name",
                "Datatype_Short",
                "Datatype",
                "Description",
                "Theory level",
                "year for last update",
                "MGCDB84",
                "GMTKN55",
            ],
            ["AlkAtom19", "TC", "Thermochemistry", "atoms", "W1", "2014", "AlkAtom19", ""],
            ["MINE", "NC", "Noncovalent", "mine", "CCSD(T)", "2020", "", ""],
            ["OEEF", "EF", "Electric field", "fields", "", "", "", ""],
            ["V30", "F", "Frequency", "vibrations", "", "", "", ""],
            ["MOR13", "TM", "Transition Metal", "metals", "", "", "", ""],
        ]
    },
    "Info/Standard_errors.xlsx": {
        "Sheet1": [
            ["Dataset", "Metric"],
            *([n, v] for n, v in (("AlkAtom19", "2"), ("MINE", "0.5"), ("OEEF", "0.1"), ("V30", "30"), ("MOR13", "4"))),
        ]
    },
    "Info/FD_stepsize.xlsx": {"Sheet1": [["Index", "Molecule", "fd step"], ["V30_1", "h2", "0.001"]]},
    "Analysis/Errors_per_set.xlsx": {
        sheet: [["Dataset", "Datatype", "One"], ["AlkAtom19", "Thermochemistry", value], ["MINE", "Noncovalent", "1"]]
        for sheet, value in (("RMSE", "3"), ("MAE", "2.5"), ("Metric", "2.5"), ("MSE", "-1"))
    },
}

#: wB97M-V's energies of two molecules; the second is not that of any state there.
ENERGIES = ",PBE0,wB97M-V\nh2,-1.16,-1.17\nh2_far,,-0.5\n"


def write_archive(folder: Path) -> tuple[Path, Path]:
    """Write the archive unpacked and packed; returns (folder, archive)."""
    plain = folder / "GSCDB138"
    contents = {name: xlsx(sheets) for name, sheets in FILES.items()}
    contents |= {f"xyz_files/{name}.xyz": text.encode() for name, text in GEOMETRIES.items()}
    contents["Analysis/Molecule_Energies.csv"] = ENERGIES.encode()
    for name, content in contents.items():
        path = plain / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    packed = folder / "gscdb138.tar.xz"
    with tarfile.open(packed, "w:xz") as archive:
        archive.add(plain, arcname="GSCDB138")
    return plain, packed
