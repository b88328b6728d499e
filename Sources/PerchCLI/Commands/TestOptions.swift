// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import PerchBundle
internal import PerchMetastore
internal import PerchSDK

/// What `dags test` and `tasks test` share: how the run is made, and how it is shown.
struct TestOptions: ParsableArguments {
    @Option(name: .long, help: "The run's id. Default: made from the logical date.") var runID: String?
    @Option(
        name: .long,
        help: ArgumentHelp("The run's logical date: 2026-01-01, or an instant. Default: now.", valueName: "instant"))
    var logicalDate: String?
    @Option(name: .long, help: ArgumentHelp("Values over the DAG's default params: a JSON object.", valueName: "json"))
    var params: String?
    @Option(
        name: .long, parsing: .singleValue,
        help: ArgumentHelp(
            "An event that is there from the start: NAME, NAME=PAYLOAD, or a line as `events emit --stdin` takes it.",
            valueName: "event"))
    var event: [String] = []
    @Flag(name: .long, help: "Jump over the time in which nothing happens.") var fastForward = false
    @Option(name: .long, help: ArgumentHelp("Cancel the run after so long, on the wall: 90s, 5m.", valueName: "span"))
    var timeout: String?
    @OptionGroup var output: FormatOption

    func validate() throws {
        _ = try test(DAG("x") { _ in })
    }

    /// A test of a DAG with these options.
    /// - Throws: `ValidationError` that names the option.
    func test(_ dag: DAG) throws -> TestRun {
        var test = TestRun(dag: dag)
        test.runID = runID
        test.isFastForward = fastForward
        do {
            test.logicalDate = try logicalDate.map { try Timestamp(parsing: $0, dateIn: "UTC") }
        } catch let error as PerchError {
            throw ValidationError("--logical-date: \(error.message)")
        }
        if let params {
            test.params = try JSONValue.option("--params", params)
            guard case .object = test.params else { throw ValidationError("--params is no JSON object") }
        }
        test.events = try event.map(Self.event)
        do {
            test.timeout = try timeout.map { try TimeSpan(parsing: $0) }
        } catch let error as PerchError {
            throw ValidationError("--timeout: \(error.message)")
        }
        if let timeout = test.timeout, timeout.microseconds <= 0 {
            throw ValidationError("--timeout is \(timeout); it is a duration above 0")
        }
        return test
    }

    private static func event(_ text: String) throws -> NewEvent {
        if text.hasPrefix("{") {
            do {
                return try EventLine.parse(Array(text.utf8))
            } catch let error as PerchError {
                throw ValidationError("--event: \(error.message)")
            }
        }
        let (name, payload) = try pair(text, "--event") ?? (text, .null)
        guard !name.isEmpty else { throw ValidationError("--event: the event's name is empty") }
        return NewEvent(name: name, payload: payload)
    }

    /// `NAME=JSON`; nil where there is no `=`.
    static func pair(_ text: String, _ option: String) throws -> (String, JSONValue)? {
        guard let equals = text.firstIndex(of: "=") else { return nil }
        let name = String(text[..<equals])
        return (name, try JSONValue.option("\(option) \(name)", String(text[text.index(after: equals)...])))
    }

    /// Runs a test to its end and shows what became of it.
    /// - Throws: `PerchError` where the run failed.
    func carryOut(_ test: TestRun) async throws {
        let outcome: TestRun.Outcome
        do {
            outcome = try await withReportAside { try await test.outcome() }
        } catch is TestRun.Stopped {
            Console.shared.say("stopped")
            throw ExitCode(128 + SIGINT)
        }
        var listing = Listing(output.format)
        try listing.add(outcome.instances.map(Self.record))
        try listing.finish(empty: "no tasks")
        guard outcome.state == .success else {
            let failed = outcome.instances.filter { $0.state == .failed }.map { row in
                row.key.mapIndex < 0 ? row.key.taskID : "\(row.key.taskID)[\(row.key.mapIndex)]"
            }
            let reason = outcome.reason ?? (failed.isEmpty ? "" : "failed: " + LoneTask.listed(failed))
            throw PerchError(.unavailable, "the run failed" + (reason.isEmpty ? "" : "; \(reason)"))
        }
    }

    /// Where the summary is read by a program, standard output is kept for it: everything before goes to standard
    /// error, what the code of tasks prints too.
    private func withReportAside<Result>(_ body: () async throws -> Result) async throws -> Result {
        guard output.format != .table else { return try await body() }
        let kept = dup(STDOUT_FILENO)
        guard kept >= 0 else { return try await body() }
        dup2(STDERR_FILENO, STDOUT_FILENO)
        defer {
            fflush(nil)
            dup2(kept, STDOUT_FILENO)
            close(kept)
        }
        return try await body()
    }

    private static func record(_ row: TaskInstanceRow) -> Record {
        let output = row.output.flatMap { try? JSONValue(parsingEnvelope: $0) }  // because only JSON is recorded
        return [
            "task_id": .text(row.key.taskID),
            "map_index": .number(row.key.mapIndex),
            "state": .text(row.state.rawValue),
            "tries": .number(row.tryNumber),
            "duration": .seconds(row.startDate.flatMap { start in row.endDate.map { $0 - start } }),
            "output": .value(output ?? .null),
            "message": .text(row.message),
        ]
    }
}

/// The DAGs of the executable itself.
struct OwnDAGs {
    private let dags: [DAG]
    /// The triggers that the bundle declares beside those of its sensors.
    let triggers: [any AsyncTrigger.Type]
    /// What is wrong in YAML files; their DAGs are not there.
    private let importErrors: [DeclarationProblem]
    private let folder: String?

    /// - Throws: `PerchError` with the problems of the declarations, a line each, as the engine refuses them.
    init<Bundle: DAGBundle>(_ type: Bundle.Type, _ option: DAGFolderOption) throws {
        let (bundle, place) = (Bundle(), try option.place(type))
        let contents =
            place.map { $0.folder.contents(beside: bundle.dags) } ?? BundleContents(dags: bundle.dags, version: "")
        (dags, triggers, importErrors, folder) = (contents.dags, bundle.triggers, contents.importErrors, place?.path)
        let problems = DAG.problems(in: dags).map(\.description) + TriggerCatalog(triggers, dags: dags).problems
        guard problems.isEmpty else {
            throw PerchError(.invalid, problems.joined(separator: "\n"))
        }
    }

    /// The DAG of an id; unknown ones are answered with those that there are.
    func dag(_ id: String) throws -> DAG {
        if let dag = dags.first(where: { $0.definition.dagID == id }) {
            for error in importErrors { Console.shared.say("note: \(error)") }
            return dag
        }
        guard importErrors.isEmpty else {
            let lines = ["there is no DAG '\(id)' in the files that can be read"] + importErrors.map(\.description)
            throw PerchError(.notFound, lines.joined(separator: "\n"))
        }
        let names = dags.map(\.definition.dagID).sorted()
        throw PerchError(
            .notFound,
            names.isEmpty
                ? "\(ProgramName.current) has no DAGs of its own"
                    + (folder.map { ", nor are there any in \($0)" } ?? ": use the executable of your bundle")
                : "there is no DAG '\(id)' in this bundle; there are \(LoneTask.listed(names))")
    }
}
