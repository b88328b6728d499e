// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK
internal import PerchYAML

struct DAGsListImportErrorsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list-import-errors", abstract: "What is wrong in the YAML files of DAGs.",
        discussion: """
            The DAGs of a file that is wrong stay as they were when it was last right. An engine reads a file again as \
            soon as it has changed.
            """)

    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let records = try await home.withMetastore { _, metastore in
            try await metastore.read { try $0.importErrors() }.map { row -> Record in
                [
                    "file": .text(row.problem.file),
                    "line": .number(row.problem.line),
                    "column": .number(row.problem.column.map { Int64($0) }),
                    "message": .text(row.problem.message),
                    "since": .instant(row.since),
                ]
            }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no import errors")
    }
}

struct DAGsSchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "The JSON Schema of YAML files with DAGs, for editors.")

    func run() throws { try Console.shared.line(Document.value(DAGSchema.json).prettyJSON()) }
}
