// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct AssetsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "assets", abstract: "Show assets: who updates them, what their updates start, when they came.",
        subcommands: [AssetsListCommand.self, AssetsShowCommand.self, AssetsEventsCommand.self])
}

struct AssetsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Every asset that a DAG names, or of which an update is in the inbox.")

    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let records = try await home.withMetastore { _, metastore in
            try await metastore.read { try $0.assets().map(AssetRecords.summary) }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no assets: tasks name them as outlets, DAGs as what starts them")
    }
}

struct AssetsShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Everything about one asset.")

    @Argument(help: "The asset's name.") var name: String
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let name = name
        let record = try await home.withMetastore { _, metastore in
            try await metastore.read { AssetRecords.details(try $0.knownAsset(name)) }
        }
        try Listing.show(record, output.format)
    }
}

struct AssetsEventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Updates of assets that are in the inbox, the newest first.")

    @Argument(help: "Only updates of this asset.") var name: String?
    @Option(name: .long, help: "At most so many.") var limit = 100
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws { try checkedLimit(limit) }

    func run() async throws {
        let (name, limit) = (name, limit)
        let records = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                if let name { _ = try snapshot.knownAsset(name) }
                return try snapshot.latestEvents(name: Asset.eventName, key: name, limit: limit).map { event in
                    let started = try snapshot.started(byEvent: event.seq)
                    return AssetRecords.update(event, started)
                }
            }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no updates are in the inbox")
    }
}

/// Assets as commands show them.
private enum AssetRecords {
    static func summary(_ asset: AssetRow) -> Record {
        [
            "name": .text(asset.name),
            "producers": .list(asset.producers.map { .text("\($0.dagID).\($0.taskID)") }),
            "starts": .list(asset.startedDAGs.map { .text($0) }), "updates": .number(asset.updates),
            "last_update": .instant(asset.lastUpdate?.receivedAt),
        ]
    }

    static func details(_ asset: AssetRow) -> Record {
        func tasks(_ names: [AssetRow.TaskName]) -> Document {
            .list(names.map { .record(["dag_id": .text($0.dagID), "task_id": .text($0.taskID)]) })
        }
        return [
            "name": .text(asset.name), "producers": tasks(asset.producers),
            "starts": .list(asset.startedDAGs.map { .text($0) }), "sensors": tasks(asset.sensors),
            "updates": .number(asset.updates), "last_update": .instant(asset.lastUpdate?.receivedAt),
            "last_update_by": .value(asset.lastUpdate?.payload ?? .null),
        ]
    }

    static func update(_ event: InboxEvent, _ started: [StartedRun]) -> Record {
        func text(_ name: String) -> Document { .value(event.payload[name] ?? .null) }
        return [
            "seq": .number(event.seq), "name": .text(event.key), "received_at": .instant(event.receivedAt),
            "dag_id": text("dag_id"), "run_id": text("run_id"), "task_id": text("task_id"),
            "started": .list(
                started.map {
                    .record(["dag_id": .text($0.dagID), "run_id": .text($0.runID), "reason": .text($0.reason)])
                }),
        ]
    }
}
