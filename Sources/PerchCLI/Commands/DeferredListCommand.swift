// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DeferredListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Everything that waits; if nothing else is said, the oldest first.",
        discussion: "What is said of probes is what the triggerer stored last; `deferred explain` asks it.")

    @Option(name: .long, help: "Only waits of this DAG.") var dag: String?
    @Option(name: .long, help: "Only waits of this run.") var run: String?
    @Option(name: .long, help: "Only waits of this task.") var task: String?
    @Option(name: .long, help: "Only waits of this kind: time, file, http, event, run, approval.") var kind: String?
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
    @Option(name: .long, help: "At most so many. Default: all.") var limit: Int?
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws {
        if let limit { try checkedLimit(limit) }
        _ = try spans()
        _ = try order()
    }

    private func spans() throws -> (olderThan: TimeSpan?, dueWithin: TimeSpan?) {
        (
            try olderThan.map { try TimeSpan.option("--older-than", $0) },
            try dueWithin.map { try TimeSpan.option("--due-within", $0) }
        )
    }

    private func order() throws -> WaitSort {
        if let order = WaitSort(rawValue: sort) { return order }
        let names = WaitSort.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--sort: there is no order '\(sort)'; there are \(names)")
    }

    func run() async throws {
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
        let first = filter
        // Orders other than the ids' look at every wait for each page: then the pages are larger.
        let pageSize = first.sort == .id ? 1_000 : 5_000
        let limit = limit ?? .max
        var listing = Listing(
            output.format,
            columns: [
                "wait_id", "dag_id", "run_id", "task_id", "map_index", "kind", "target", "since", "deadline",
                "next_probe_at", "last_result",
            ])
        try await home.withMetastore { _, metastore in
            // Page by page, each in a snapshot of its own: a million waits hold no reader for long.
            // What belongs to the list is decided by one instant.
            let now = try await metastore.read { $0.now }
            var after: WaitRow?
            var left = limit
            while left > 0 {
                var filter = first
                filter.registeredBefore = spans.olderThan.map { now + TimeSpan(microseconds: -$0.microseconds) }
                filter.nextBy = spans.dueWithin.map { now + $0 }
                filter.after = after
                filter.limit = min(pageSize, left)
                let page = filter
                let (records, last) = try await metastore.read { snapshot in
                    let waits = try snapshot.waits(page)
                    var book = WaitRecords(owner: try WaitRecords.owner(snapshot))
                    return (try waits.map { try book.summary($0, snapshot) }, waits.last)
                }
                try listing.add(records)
                guard let last, records.count == page.limit else { break }
                after = last
                left -= records.count
            }
        }
        try listing.finish(empty: "nothing waits")
    }
}
