// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Show who has changed what over the API, and who may.",
        subcommands: [AuditListCommand.self])
}

struct AuditListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "What was done, the latest first.")

    @Option(name: .long, help: "Only what this one has done.") var who: String?
    @Option(name: .long, help: ArgumentHelp("Only in the last of this length, as 7d.", valueName: "span"))
    var since: String?
    @Option(name: .long, help: "At most so many.") var limit = 100
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws {
        try checkedLimit(limit)
        if let since { _ = try TimeSpan.option("--since", since) }
    }

    func run() async throws {
        let (who, limit) = (who, limit)
        let span = try since.map { try TimeSpan.option("--since", $0) }
        let rows = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                let start = span.map { snapshot.now + TimeSpan(microseconds: -$0.microseconds) }
                return try snapshot.auditLog(who: who, since: start, limit: limit)
            }
        }
        var listing = Listing(output.format)
        try listing.add(
            rows.map { row in
                [
                    "at": .instant(row.at), "who": .text(row.entry.who), "how": .text(row.entry.how),
                    "action": .text(row.entry.action), "subject": .text(row.entry.subject),
                    "details": .value(row.entry.details), "id": .number(row.auditID),
                ]
            })
        try listing.finish(empty: "nothing was recorded")
    }
}
