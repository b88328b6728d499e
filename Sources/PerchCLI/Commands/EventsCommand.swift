// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Send and show external events.",
        subcommands: [EventsEmitCommand.self, EventsListCommand.self])
}

struct EventsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Events of the inbox, the newest first.")

    @Option(name: .long, help: "Only events of this name.") var name: String?
    @Option(name: .long, help: "Only events with this key.") var key: String?
    @Option(name: .long, help: "At most so many.") var limit = 100
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws { try checkedLimit(limit) }

    func run() async throws {
        let (name, key, limit) = (name, key, limit)
        let records = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                try snapshot.latestEvents(name: name, key: key, limit: limit).map(Self.record)
            }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no events")
    }

    static func record(_ event: InboxEvent) -> Record {
        [
            "seq": .number(event.seq),
            "event_id": .text(event.eventID),
            "name": .text(event.name),
            "key": .text(event.key),
            "received_at": .instant(event.receivedAt),
            "payload": .value(event.payload),
        ]
    }
}
