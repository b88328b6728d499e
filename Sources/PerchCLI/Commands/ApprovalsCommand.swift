// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchAPIServer
internal import PerchMetastore
internal import PerchSDK
internal import PerchTriggersApproval

struct ApprovalsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approvals", abstract: "Show what people are asked, and answer.",
        subcommands: [ApprovalsListCommand.self, ApprovalsShowCommand.self, ApprovalsAnswerCommand.self])
}

struct ApprovalsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Every question that waits for an answer, the oldest first.")

    @Option(name: .long, help: "Only questions of this DAG.") var dag: String?
    @Option(name: .long, help: "Only questions of this run.") var run: String?
    @Option(name: .long, help: "At most so many. Default: all.") var limit: Int?
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws {
        if let limit { try checkedLimit(limit) }
    }

    func run() async throws {
        var filter = WaitFilter()
        filter.kind = ApprovalTrigger.kind
        filter.dagID = dag
        filter.runID = run
        var left = limit ?? .max
        let (dag, run) = (dag, run)
        var listing = Listing(output.format)
        try await home.withMetastore { _, metastore in
            while left > 0 {
                filter.limit = min(1_000, left)
                let page = filter
                let waits = try await metastore.read { try $0.waits(page) }
                try listing.add(waits.map { OpenApproval.summary($0) })
                guard let last = waits.last, waits.count == page.limit else { break }
                filter.after = WaitPlace(last)
                left -= waits.count
            }
            if listing.isEmpty { try await metastore.read { try $0.checkNames(dag: dag, run: run) } }
        }
        try listing.finish(empty: "nobody is asked anything")
    }
}

struct ApprovalsShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "One question, with the fields of its form.")

    @Argument(help: "The wait's id, as `approvals list` shows it.") var waitID: Int64
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let waitID = waitID
        let approval = try await home.withMetastore { _, metastore in
            try await metastore.read { try OpenApproval(waitID, $0, shownBy: OpenApproval.list) }
        }
        try Listing.show(approval.record, output.format)
    }
}

struct ApprovalsAnswerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "answer", abstract: "Answer a question. The first answer counts.",
        discussion: "Values are held against the form before anything is stored.")

    @Argument(help: "The wait's id, as `approvals list` shows it.") var waitID: Int64
    @Flag(name: .long, help: "Say yes.") var approve = false
    @Flag(name: .long, help: "Say no.") var reject = false
    @Option(name: .long, help: ArgumentHelp("The value of a field; once for each.", valueName: "field=value"))
    var set: [String] = []
    @Option(name: .long, help: "What else there is to say.") var note: String?
    @Option(name: .long, help: "Who answers. Default: the account's name.") var by: String?
    @OptionGroup var home: HomeOption

    func validate() throws {
        guard approve != reject else { throw ValidationError("say one of --approve and --reject") }
        if by?.isEmpty == true { throw ValidationError("--by is empty; leave it out for the account's name") }
        _ = try typed()
    }

    private func typed() throws -> [(field: String, text: String)] {
        try set.map { text in
            guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
                throw ValidationError("--set \(text.shown()): write --set field=value")
            }
            return (String(text[..<equals]), String(text[text.index(after: equals)...]))
        }
    }

    func run() async throws {
        let (waitID, note, typed) = (waitID, note, try typed())
        let decision: ApprovalAnswer.Decision = approve ? .approve : .reject
        let by = by ?? Person.name
        try await home.withMetastore { home, metastore in
            let wait = try await metastore.write { transaction in
                let approval = try OpenApproval(waitID, transaction, shownBy: OpenApproval.list)
                let answer = try approval.trigger.answer(
                    decision, typed: typed, by: by, note: note, at: transaction.now)
                try approval.end(by: answer, in: transaction)
                return approval.wait
            }
            let done = decision == .approve ? "approved" : "rejected"
            try Console.shared.line(
                "approval \(waitID) of \(wait.key.dagID) \(wait.key.runID) \(wait.key.taskID) is \(done)")
            try home.noteMissingEngine("its task goes on once one is started")
        }
    }
}

extension OpenApproval {
    /// What shows the questions that are open, for messages.
    static var list: String { "`\(ProgramName.current) approvals list`" }

    /// The fields of `approvals list`.
    static func summary(_ wait: WaitRow) -> Record {
        [
            "wait_id": .number(wait.waitID),
            "dag_id": .text(wait.key.dagID),
            "run_id": .text(wait.key.runID),
            "task_id": .text(wait.key.taskID),
            "map_index": .number(wait.key.mapIndex),
            "question": .text(wait.target),
            "since": .instant(wait.since),
            "deadline": .instant(wait.deadline),
        ]
    }

    /// Everything about it.
    var record: Record {
        var record = Self.summary(wait)
        let fields = trigger.fields.map { field -> Document in
            .record([
                "name": .text(field.name),
                "type": .text(field.kind.rawValue),
                "label": .text(field.label),
                "required": .flag(field.isRequired && field.defaultValue == nil),
                "default": .value(field.defaultValue ?? .null),
                "choices": .value(field.choices.map { .array($0.map { .string($0) }) } ?? .null),
            ])
        }
        record.fields += [
            Record.Field(name: "is_sensor", value: .flag(wait.isSensor)),
            Record.Field(name: "fields", value: .list(fields)),
        ]
        return record
    }
}
