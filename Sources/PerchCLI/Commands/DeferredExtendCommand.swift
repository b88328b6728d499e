// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DeferredExtendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extend", abstract: "Move the deadline of a wait.",
        discussion: "The timeout of its task stays: where it comes first, it is the wait's deadline.")

    @Argument(help: "The wait's id, as `deferred list` shows it.") var waitID: Int64
    @Option(name: .long, help: ArgumentHelp("So much later than the deadline is now.", valueName: "span"))
    var by: String?
    @Option(name: .long, help: ArgumentHelp("To this instant: RFC 3339 or a date.", valueName: "instant"))
    var until: String?
    @Flag(name: .customLong("no-deadline"), help: "Let it wait without end.") var isWithoutDeadline = false
    @OptionGroup var home: HomeOption

    func validate() throws { _ = try move() }

    private func move() throws -> DeadlineMove {
        switch (by, until, isWithoutDeadline) {
        case (let by?, nil, false):
            let span = try TimeSpan.option("--by", by)
            guard span.microseconds > 0 else { throw ValidationError("--by is \(span); it is a span such as 30m") }
            return .by(span)
        case (nil, let until?, false):
            do {
                return .to(try Timestamp(parsing: until))
            } catch {
                throw ValidationError("--until: \(error.message)")
            }
        case (nil, nil, true): return .away
        default: throw ValidationError("say one of --by, --until and --no-deadline")
        }
    }

    func run() async throws {
        let waitID = waitID
        let move = try move()
        try await home.withMetastore { home, metastore in
            let moved = try await metastore.write { transaction in
                _ = try transaction.knownWait(waitID)
                return try transaction.moveDeadline(of: waitID, move)
            }
            let key = moved.wait.key
            let until = moved.deadline.map { "times out at \($0)" } ?? "has no deadline any more"
            try Console.shared.line("wait \(waitID) of \(key.dagID) \(key.runID) \(key.taskID) \(until)")
            if moved.isBoundedByTask {
                Console.shared.say("note: the timeout of its task comes first; the wait cannot outlast it")
            }
            if let due = moved.wait.due, let deadline = moved.deadline, deadline < due {
                Console.shared.say("note: it comes due at \(due) only, after that")
            }
            try home.noteMissingEngine("nothing times out before one is started")
        }
    }
}
