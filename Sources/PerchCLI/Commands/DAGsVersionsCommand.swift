// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DAGsVersionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "versions", abstract: "The versions of a DAG, the newest first.",
        discussion:
            "A run keeps the version that it started on; a new one comes when the bundle describes the DAG anew.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let dag = dag
        let records = try await home.withMetastore { _, metastore in
            try await metastore.read { try $0.describedVersions(of: dag).map(Self.record) }
        }
        var listing = Listing(
            output.format,
            columns: ["version", "created_at", "bundle_version", "tasks", "changes", "runs", "is_newest"])
        try listing.add(records)
        try listing.finish(empty: "no versions")
    }

    private static func record(_ version: DescribedVersion) -> Record {
        [
            "version": .number(version.row.number), "created_at": .instant(version.row.createdAt),
            "bundle_version": .text(version.row.bundleVersion), "tasks": .number(version.tasks),
            // How many things differ from the version before.
            "changes": .number(version.changes.map(Int64.init)), "runs": .number(version.row.runs),
            "is_newest": .flag(version.isNewest), "content_hash": .text(version.row.contentHash),
        ]
    }
}

struct DAGsDiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "What differs between two versions of a DAG.",
        discussion: """
            Without versions: between the newest and the one before. With one: between that and the newest. Tasks are known \
            by their ids; the place in the file at which a task is declared does not count. With --source it is what differs \
            between the files that they were read from, line by line.
            """)

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The older version, as `dags versions` shows it.") var from: Int?
    @Argument(help: "The newer version. Default: the newest.") var to: Int?
    @Option(name: .long, help: "In place of the older version: the one that this run started on.", completion: .runs)
    var run: String?
    @Flag(name: .long, help: "What differs between the files that declare it.") var source = false
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws {
        if run != nil, from != nil { throw ValidationError("a run has its version: leave the versions out") }
        for number in [from, to].compactMap(\.self) where number < 1 {
            throw ValidationError("there is no version \(number); versions are counted from 1")
        }
    }

    func run() async throws {
        let (dag, run, from, to) = (dag, run, from, to)
        let difference = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                var number = from
                if let run {
                    let versionID = try snapshot.knownRun(dag, run).versionID
                    number = try snapshot.versions(dagID: dag).first { $0.versionID == versionID }?.number
                }
                return try snapshot.difference(ofDAG: dag, from: number, to: to)
            }
        }
        if source { return try showSource(difference) }
        let changes = difference.changes
        guard output.format == .table else {
            var listing = Listing(output.format)
            try listing.add(changes.map(Self.record))
            return try listing.finish(empty: "")
        }
        for change in changes { try Console.shared.line(SafeText.neutralised(Self.line(change))) }
        try Console.shared.flush()
        if changes.isEmpty {
            Console.shared.say("versions \(difference.older) and \(difference.newer) of \(dag) do not differ")
        }
    }

    private func showSource(_ difference: VersionDifference) throws {
        guard let source = difference.source else {
            throw PerchError(
                .notFound,
                "no text is kept of version \(difference.older) or \(difference.newer) of '\(dag)': the bundle had none at "
                    + "hand")
        }
        guard output.format == .table else {
            var listing = Listing(output.format)
            try listing.add(
                source.parts.joined().map { line in
                    [
                        "kind": .text("\(line.kind)"), "old_line": .number(line.old.map(Int64.init)),
                        "new_line": .number(line.new.map(Int64.init)), "text": .text(line.text),
                    ]
                })
            return try listing.finish(empty: "")
        }
        guard !source.parts.isEmpty else {
            return Console.shared.say(
                "the files of versions \(difference.older) and \(difference.newer) of \(dag) do not differ")
        }
        try Console.shared.line(SafeText.neutralised("--- \(source.oldPath) (version \(difference.older))"))
        try Console.shared.line(SafeText.neutralised("+++ \(source.newPath) (version \(difference.newer))"))
        for part in source.parts {
            let (old, new) = (part.compactMap(\.old), part.compactMap(\.new))
            try Console.shared.line("@@ -\(old.first ?? 0),\(old.count) +\(new.first ?? 0),\(new.count) @@")
            for line in part { try Console.shared.line(SafeText.neutralised("\(line.kind.rawValue)\(line.text)")) }
        }
        try Console.shared.flush()
    }

    private static func record(_ change: DAGDifference.Change) -> Record {
        [
            "kind": .text(change.kind.rawValue), "task_id": .text(change.taskID),
            "upstream_id": .text(change.upstreamID), "field": .text(change.field),
            "old": .value(change.old ?? .null), "new": .value(change.new ?? .null),
        ]
    }

    /// `+ task load`, `- edge parse -> load`, `~ task load: retries 0 -> 3`.
    private static func line(_ change: DAGDifference.Change) -> String {
        let task = change.taskID ?? ""
        let values = "\(change.field ?? ""): \(value(change.old)) -> \(value(change.new))"
        return switch change.kind {
        case .taskAdded: "+ task \(task)"
        case .taskRemoved: "- task \(task)"
        case .edgeAdded: "+ edge \(change.upstreamID ?? "") -> \(task)"
        case .edgeRemoved: "- edge \(change.upstreamID ?? "") -> \(task)"
        case .taskChanged: "~ task \(task), \(values)"
        case .dagChanged: "~ dag, \(values)"
        }
    }

    private static func value(_ value: JSONValue?) -> String {
        guard let value else { return "(default)" }
        if case .string(let text) = value { return text }
        return value.text
    }
}
