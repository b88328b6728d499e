// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DeferredListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Everything that waits; if nothing else is said, the oldest first.",
        discussion: "What is said of probes is what the triggerer stored last; `deferred explain` asks it.")

    @OptionGroup var choice: WaitChoice
    @Option(name: .long, help: "At most so many. Default: all.") var limit: Int?
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws {
        if let limit { try checkedLimit(limit) }
    }

    func run() async throws {
        let choice = choice
        // Orders other than the ids' look at every wait for each page: then the pages are larger.
        let pageSize = try choice.order() == .id ? 1_000 : 5_000
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
                var filter = try choice.filter(at: now)
                filter.after = after.map(WaitPlace.init)
                filter.limit = min(pageSize, left)
                let page = filter
                let (records, last) = try await metastore.read { snapshot in
                    let waits = try snapshot.waits(page)
                    var book = try WaitRecords(snapshot)
                    return (try waits.map { try book.summary($0, snapshot) }, waits.last)
                }
                try listing.add(records)
                guard let last, records.count == page.limit else { break }
                after = last
                left -= records.count
            }
            if listing.isEmpty { try await metastore.read { try choice.checkNames($0) } }
        }
        try listing.finish(empty: "nothing waits")
    }
}
