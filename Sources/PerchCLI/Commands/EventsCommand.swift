// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Send and show external events.",
        subcommands: [EventsEmitCommand.self, EventsListCommand.self, EventsShowCommand.self])
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
                try snapshot.latestEvents(name: name, key: key, limit: limit).map {
                    Self.record($0, consumer: try snapshot.consumer(ofEvent: $0.seq))
                }
            }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no events")
    }

    static func record(_ event: InboxEvent, consumer: String?) -> Record {
        [
            "seq": .number(event.seq),
            "event_id": .text(event.eventID),
            "name": .text(event.name),
            "key": .text(event.key),
            "received_at": .instant(event.receivedAt),
            "consumed_by": .text(consumer),
            "payload": .value(event.payload),
        ]
    }
}

struct EventsShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "One event, which task took it for itself, and what it started.")

    @Argument(help: "The event's number, as `events list` shows it.") var seq: Int64
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let seq = seq
        let record = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                guard let event = try snapshot.event(seq) else {
                    throw PerchError(
                        .notFound,
                        "there is no event \(seq) in the inbox; events are kept for \(try snapshot.eventRetention())")
                }
                var record = EventsListCommand.record(event, consumer: try snapshot.consumer(ofEvent: seq))
                record.fields.append(
                    .init(name: "started", value: .list(try snapshot.started(byEvent: seq).map(Self.started))))
                return record
            }
        }
        try Listing.show(record, output.format)
    }

    private static func started(_ run: StartedRun) -> Document {
        .record(["dag_id": .text(run.dagID), "run_id": .text(run.runID), "reason": .text(run.reason)])
    }
}
