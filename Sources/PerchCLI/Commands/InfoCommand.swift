// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

/// The version of Perch.
enum PerchVersion {
    static let current = "0.1.0"
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "The version of Perch.")

    func run() throws { try Console.shared.line(PerchVersion.current) }
}

struct InfoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Versions, home, engine, and how much of everything there is.")

    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let home = try home.resolve()
        let engine = try home.engine()
        var state = engine == nil ? "not running" : "running"
        var fields: [Record.Field] = []
        do {
            let metastore = try home.open()
            defer { Self.close(metastore) }
            // Of a metastore on a server, the engine may have another home.
            let elsewhere = try await metastore.read { snapshot in
                let now = snapshot.now
                return try snapshot.liveSchedulers().first { $0.state(at: now) == "active" }
            }
            if engine == nil, let elsewhere { state = "running elsewhere: \(elsewhere.name)" }
            fields = try await metastore.read { snapshot -> [Record.Field] in
                let runs = try snapshot.runCounts()
                let tasks = try snapshot.openTaskCounts()
                return [
                    Record.Field(name: "dags", value: .number(try snapshot.dags().filter(\.isActive).count)),
                    Record.Field(name: "runs", value: .value(Self.counts(runs.map { ($0.state.rawValue, $0.count) }))),
                    Record.Field(
                        name: "open_tasks", value: .value(Self.counts(tasks.map { ($0.state.rawValue, $0.count) }))),
                    Record.Field(name: "waits", value: .number(try snapshot.waitCount())),
                    Record.Field(name: "events_seen", value: .number(try snapshot.lastEventSeq())),
                ]
            }
            fields.insert(Record.Field(name: "metastore", value: .text("ready")), at: 0)
        } catch let error as PerchError where error.code == .notFound || error.code == .metastore {
            fields = [Record.Field(name: "metastore", value: .text(error.message))]
        }
        var record: Record = [
            "perch": .text(PerchVersion.current),
            "home": .text(home.path),
            "engine": .text(state),
            "engine_pid": .number(engine.flatMap(\.pid).map(Int64.init)),
        ]
        record.fields += fields
        try Listing.show(record, output.format)
    }

    private static func counts(_ counts: [(name: String, count: Int)]) -> JSONValue {
        .object(Dictionary(counts.map { ($0.name, .integer(Int64($0.count))) }) { $1 })
    }

    private static func close(_ metastore: Metastore) {
        do { try metastore.close() } catch { Console.shared.say("note: \(error)") }
    }
}
