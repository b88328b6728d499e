// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

/// Which waits a command shows, and in which order.
struct WaitChoice: ParsableArguments {
    @Option(name: .long, help: "Only waits of this DAG.") var dag: String?
    @Option(name: .long, help: "Only waits of this run.") var run: String?
    @Option(name: .long, help: "Only waits of this task.") var task: String?
    @Option(
        name: .long,
        help: ArgumentHelp("Only waits of this kind: \(WaitChoice.kinds.joined(separator: ", ")), async:<your type>."))
    var kind: String?
    @Option(name: .long, help: "Only waits whose target contains this.") var target: String?
    @Option(
        name: .long,
        help: ArgumentHelp("Only waits that this process holds, as `deferred show` names it.", valueName: "host:pid"))
    var owner: String?
    @Option(name: .long, help: ArgumentHelp("Only waits that wait for longer than this.", valueName: "span"))
    var olderThan: String?
    @Option(
        name: .long,
        help: ArgumentHelp("Only waits that come due or time out within this span from now.", valueName: "span"))
    var dueWithin: String?
    @Option(name: .long, help: "The order: id, since, due, deadline or target.") var sort = "id"
    @Flag(name: .long, help: "Turn the order round.") var reverse = false

    /// The kinds that the engine watches itself.
    private static let kinds = [
        "time", "file", "http", "sse", "event", "run", "approval", "process", "socket", "certificate", "sql",
        "composite",
    ]

    func validate() throws {
        if let kind, !Self.kinds.contains(kind), !HostedKind.isHosted(kind) {
            throw ValidationError("--kind: there is no kind '\(kind)'; \(NearName.hint(kind, Self.kinds))")
        }
        _ = try spans()
        _ = try order()
    }

    private func spans() throws -> (olderThan: TimeSpan?, dueWithin: TimeSpan?) {
        (
            try olderThan.map { try TimeSpan.option("--older-than", $0) },
            try dueWithin.map { try TimeSpan.option("--due-within", $0) }
        )
    }

    func order() throws -> WaitSort {
        if let order = WaitSort(rawValue: sort) { return order }
        let names = WaitSort.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--sort: there is no order '\(sort)'; there are \(names)")
    }

    /// Refuses names of what is not there. Asked where nothing was found: what waits is there, whatever its version has.
    func checkNames(_ snapshot: Snapshot) throws {
        try snapshot.checkNames(dag: dag, run: run, task: task)
    }

    /// The filter; spans are counted from an instant.
    func filter(at now: Timestamp) throws -> WaitFilter {
        var filter = WaitFilter()
        filter.dagID = dag
        filter.runID = run
        filter.taskID = task
        filter.kind = kind
        filter.targetContains = target
        filter.owner = owner
        filter.sort = try order()
        filter.isReversed = reverse
        let spans = try spans()
        filter.registeredBefore = spans.olderThan.map { now + TimeSpan(microseconds: -$0.microseconds) }
        filter.nextBy = spans.dueWithin.map { now + $0 }
        return filter
    }
}
