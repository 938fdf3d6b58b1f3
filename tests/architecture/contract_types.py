"""Contract types that import-linter does not bring: what stays in the standard library, and
which families of adapters leave each other alone."""

from __future__ import annotations

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


def _render(check: ContractCheck) -> None:
    for importer, imported in check.metadata["illegal"]:
        output.print_error(f"{importer} imports {imported}", bold=False)
        output.new_line()


class StandardLibraryContract(Contract):
    """Modules below `package` import the standard library and each other, nothing else."""

    type_name = "standard_library"
    package = fields.StringField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        package = str(self.package)
        own = {package, *graph.find_descendants(package)}
        illegal = [
            (importer, imported)
            for importer in sorted(own)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported not in own and imported.split(".")[0] not in sys.stdlib_module_names
        ]
        return ContractCheck(kept=not illegal, metadata={"illegal": illegal})

    def render_broken_contract(self, check: ContractCheck) -> None:
        _render(check)


class FamiliesContract(Contract):
    """Children of `package` import each other only within a family.

    A family is a sub-package, or the modules whose names share what stands before the first `_`.
    `kin` adds modules to a family (`providers: s3`); `open_to_all` may be imported by any.
    """

    type_name = "families"
    package = fields.StringField()
    kin = fields.ListField(subfield=fields.StringField(), required=False)
    open_to_all = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        package = str(self.package)
        kin = dict(str(pair).split(": ") for pair in self.kin or [])  # type: ignore[attr-defined]
        illegal = [
            (importer, imported)
            for importer in sorted(graph.find_descendants(package))
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported.startswith(f"{package}.")
            and imported not in (self.open_to_all or [])  # type: ignore[operator]
            and self._family(imported, package, kin) != self._family(importer, package, kin)
        ]
        return ContractCheck(kept=not illegal, metadata={"illegal": illegal})

    @staticmethod
    def _family(module: str, package: str, kin: dict[str, str]) -> str:
        child = module.removeprefix(f"{package}.").split(".")[0]
        return kin.get(child, child.split("_")[0])

    def render_broken_contract(self, check: ContractCheck) -> None:
        _render(check)
