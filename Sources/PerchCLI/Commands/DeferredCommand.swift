// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DeferredCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deferred", abstract: "Show, explain, extend and end what waits.",
        subcommands: [
            DeferredListCommand.self, DeferredShowCommand.self, DeferredExplainCommand.self,
            DeferredWatchCommand.self, DeferredForecastCommand.self, DeferredExtendCommand.self,
            DeferredFireCommand.self, DeferredCancelCommand.self,
        ])
}

struct DeferredShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "One wait, with its definition.")

    @Argument(help: "The wait's id, as `deferred list` shows it.") var waitID: Int64
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let waitID = waitID
        let record = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                var book = try WaitRecords(snapshot)
                return try book.details(try snapshot.knownWait(waitID), snapshot)
            }
        }
        try Listing.show(record, output.format)
    }
}

struct DeferredFireCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fire", abstract: "End a wait by hand as if what it waits for had come.")

    @Argument(help: "The wait's id, as `deferred list` shows it.") var waitID: Int64
    @Option(
        name: .long,
        help: ArgumentHelp(
            "What came: an event's payload, an HTTP answer's body, else the coded event. Default: what fits the kind.",
            valueName: "json"))
    var payload: String?
    @OptionGroup var home: HomeOption

    func run() async throws {
        let given = try payload.map { try JSONValue.option("--payload", $0) }
        try await DeferredFireCommand.end(waitID, home, "fired", "its task goes on once one is started") { wait, now in
            .event(try HandMadeEvent.of(wait, payload: given, now: now))
        }
    }

    /// Fires a wait with an outcome, unless somebody else was first.
    static func end(
        _ waitID: Int64, _ option: HomeOption, _ done: String, _ consequence: String,
        outcome: @escaping @Sendable (WaitRow, Timestamp) throws -> WaitOutcome
    ) async throws {
        try await option.withMetastore { home, metastore in
            let wait = try await metastore.write { transaction in
                let wait = try transaction.knownWait(waitID)
                let firing = Firing(waitID: waitID, outcome: try outcome(wait, transaction.now), by: Person.name)
                guard try transaction.fire([firing], lease: nil) == [true] else {
                    throw PerchError(.conflict, "wait \(waitID) has just ended")
                }
                return wait
            }
            try Console.shared.line(
                "wait \(waitID) of \(wait.key.dagID) \(wait.key.runID) \(wait.key.taskID) is \(done)")
            try home.noteMissingEngine(consequence)
        }
    }
}

struct DeferredCancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "End a wait and fail its task, after the task's clean-up if it has any.")

    @Argument(help: "The wait's id, as `deferred list` shows it.") var waitID: Int64
    @OptionGroup var home: HomeOption

    func run() async throws {
        let intent = CancelIntent(finalState: .failed, reason: "user", by: Person.name)
        try await DeferredFireCommand.end(
            waitID, home, "cancelled", "a task with clean-up ends once one is started"
        ) { _, _ in .cancelled(intent) }
    }
}

extension Snapshot {
    /// A wait that is there.
    func knownWait(_ waitID: Int64) throws -> WaitRow {
        if let wait = try wait(waitID) { return wait }
        throw PerchError(
            .notFound,
            "nothing waits under the id \(waitID): it has ended, or never was; `\(ProgramName.current) deferred list` "
                + "shows what waits")
    }
}
