// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK

struct TasksRenderCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "render", abstract: "The fields of a task with their templates filled in, as a run would.",
            discussion: """
                For a run that there is, or for one by hand that is made up: with --logical-date and --params, as \
                `dags trigger` would start it. Nothing is run and nothing is changed. Of a task whose code is a closure \
                there is only what it waits for.
                With --stored it is what was kept of a run: what the fields of the latest try, or of --try, became as it ran, \
                with stars in place of what is secret.
                """)
    }

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The task's id.", completion: .tasks) var task: String
    @Argument(help: "The run's id. Default: a run is made up.", completion: .runs) var run: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The made-up run's logical date: 2026-01-01, or an instant. Default: now.", valueName: "instant"))
    var logicalDate: String?
    @Option(
        name: [.long, .customLong("conf")],
        help: ArgumentHelp("The made-up run's values over the DAG's default params: a JSON object.", valueName: "json"))
    var params: String?
    @Option(name: .long, help: "The instance of a mapped task, from 0.") var mapIndex: Int?
    @Option(name: .long, help: ArgumentHelp("The element of that instance, where the run has none.", valueName: "json"))
    var mapElement: String?
    @Flag(name: .customLong("stored"), help: "What was kept as the run filled it in; nothing is filled in now.")
    var isStored = false
    @Option(name: .customLong("try"), help: ArgumentHelp("With --stored: which try, from 1.", valueName: "number"))
    var tryNumber: Int?
    @OptionGroup var folder: DAGFolderOption
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws {
        try checkedMapIndex(mapIndex)
        if run != nil, logicalDate != nil { throw ValidationError("--logical-date is for a run that is made up") }
        if run != nil, params != nil { throw ValidationError("--params is for a run that is made up") }
        _ = try (date(), given(), element())
        if isStored, run == nil { throw ValidationError("--stored is what was kept of a run: name one") }
        if isStored, mapElement != nil { throw ValidationError("--map-element is for what is filled in now") }
        if tryNumber != nil, !isStored { throw ValidationError("--try is for --stored") }
        if let tryNumber, tryNumber < 1 {
            throw ValidationError("there is no try \(tryNumber); tries are counted from 1")
        }
    }

    func run() async throws {
        if isStored { return try await showStored() }
        let own = try OwnDAGs(Bundle.self, folder)
        let lone = try LoneTask(own.dag(dag), task)
        var facts = try await run == nil ? madeUp(lone) : stored(lone)
        facts.dag = AttemptDAG(lone.dag.definition)
        if let element = try element() { facts.mapElement = element.text }
        let borrowed = try await BorrowedSecrets(home.resolve())
        let rendering = await TaskRendering(lone, facts, borrowed.secrets.desk)
        try borrowed.close()
        var listing = Listing(output.format)
        try listing.add(rendering.fields.map(\.record))
        try listing.finish(empty: "the task '\(task)' has no fields with templates")
        let problems = rendering.fields.compactMap { field in field.problem.map { "\(field.name): \($0)" } }
        guard problems.isEmpty else { throw PerchError(.invalid, problems.joined(separator: "\n")) }
    }

    /// What was kept of a try.
    private func showStored() async throws {
        let (dag, run, task, mapIndex, tryNumber) = (dag, run ?? "", task, mapIndex, tryNumber)
        let fields = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                let row = try snapshot.knownRun(dag, run)
                let definition = try snapshot.knownTask(task, of: row)
                let instance = try snapshot.knownInstance(row, task, mapIndex)
                let number = tryNumber ?? instance.tryNumber
                guard number <= instance.tryNumber else {
                    throw PerchError(
                        .notFound, "'\(task)' has no try \(number); its latest is \(instance.tryNumber)")
                }
                return try snapshot.renderedFields(of: instance, task: definition, tryNumber: number)
            }
        }
        var listing = Listing(output.format)
        try listing.add(fields.map { ["field": .text($0.name), "rendered": .text($0.text)] })
        try listing.finish(empty: "nothing was filled in for that try of '\(task)'")
    }

    // MARK: The run

    private func madeUp(_ lone: LoneTask) throws -> AttemptFacts {
        let definition = lone.dag.definition
        let given = try given()
        let params = definition.params.merging(given) { _, new in new }
        if let problem = definition.problem(
            ofParams: params, besides: [InboxEvent.startingParam, InboxEvent.gatheredParam])
        {
            throw PerchError(.invalid, problem)
        }
        let date = try date() ?? SystemClock().now
        return AttemptFacts(
            dagID: dag, runID: "manual__\(date)", taskID: task, mapIndex: mapIndex ?? -1, logicalDate: date,
            dataIntervalStart: date, dataIntervalEnd: date, params: .object(params))
    }

    private func stored(_ lone: LoneTask) async throws -> AttemptFacts {
        let (dag, run, task, mapIndex) = (dag, run ?? "", task, mapIndex)
        let isElementGiven = mapElement != nil
        return try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                let row = try snapshot.knownRun(dag, run)
                return try snapshot.attemptFacts(
                    of: row, taskID: task, mapIndex: mapIndex ?? -1, readingElement: !isElementGiven)
            }
        }
    }

    // MARK: Options

    private func date() throws -> Timestamp? {
        do {
            return try logicalDate.map { try Timestamp(parsing: $0, dateIn: "UTC") }
        } catch let error as PerchError {
            throw ValidationError("--logical-date: \(error.message)")
        }
    }

    private func given() throws -> [String: JSONValue] {
        guard let params else { return [:] }
        guard case .object(let given) = try JSONValue.option("--params", params) else {
            throw ValidationError("--params is no JSON object")
        }
        return given
    }

    private func element() throws -> JSONValue? {
        try mapElement.map { try JSONValue.option("--map-element", $0) }
    }
}
