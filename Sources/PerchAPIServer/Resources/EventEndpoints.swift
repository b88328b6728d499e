// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// An event with the task that took it for itself.
private struct EventView: Sendable {
    var event: InboxEvent
    var consumer: String?

    static let resource = Resource<EventView>(
        "Event",
        [
            .integer("seq", "Its place in the order of all events.") { $0.event.seq },
            .text("event_id", "Its id, unique among those of its name.") { $0.event.eventID },
            .text("name", "Its name.") { $0.event.name },
            .textOrNull("key", "Its key.") { $0.event.key },
            .instant("received_at", "When it was taken.") { $0.event.receivedAt },
            .textOrNull("consumed_by", "The task that took it for itself.") { $0.consumer },
            .any("payload", "What came with it.") { $0.event.payload },
        ])
}

extension AssetRow {
    private static let task = Resource<TaskName>(
        "AssetTask", [.text("dag_id", "The DAG's id.") { $0.dagID }, .text("task_id", "The task's id.") { $0.taskID }])

    static let resource = Resource<AssetRow>(
        "Asset",
        [
            .text("name", "Its name.") { $0.name },
            .list("producing_tasks", of: task, "Tasks that update it.") { $0.producers },
            .texts("scheduled_dags", "DAGs of which its updates start runs.") { $0.startedDAGs },
            .list("sensors", of: task, "Sensors that wait for its updates.") { $0.sensors },
            .count("updates", "How many of its updates are kept.") { $0.updates },
            .instantOrNull("last_update", "When it was updated last.") { $0.lastUpdate?.receivedAt },
            .any("last_update_by", "By which task, run and DAG.") { $0.lastUpdate?.payload ?? .null },
        ])
}

extension AcceptedEvent {
    static let resource = Resource<AcceptedEvent>(
        "AcceptedEvent",
        [
            .flag("duplicate", "Whether it was there already.") { $0.isDuplicate },
            .text("id", "Its id.") { $0.eventID },
            .integer("seq", "Its place in the order of all events.") { $0.seq },
        ])
}

extension Endpoint {
    /// Answered by what takes events in, and here only to be spoken of.
    private static let emit: Endpoint = {
        var endpoint = Endpoint(
            .post, "events/{name}", .events,
            "Takes an event, whose payload the body is; or, as application/x-ndjson, one on each line.",
            answer: AcceptedEvent.resource.schema, service: .events)
        endpoint.body = .any
        endpoint.status = .accepted
        endpoint.parameters = [
            Parameter(name: "key", schema: .formed(.word(most: NewEvent.mostBytes)), about: "The event's key."),
            Parameter(
                name: "id", schema: .formed(.word(most: NewEvent.mostBytes)),
                about: "Its id: a second event of this name and id is the same one."),
        ]
        endpoint.pathSchemas = ["name": .formed(.word(most: NewEvent.mostBytes))]
        return endpoint
    }()

    static let events: [Endpoint] = [
        emit,
        .list(
            "events", "Events that are kept, the newest first.", of: EventView.resource, as: "events",
            [.text("name", "Only events of this name."), .text("key", "Only events with this key.")]
        ) { call in
            let before = try call.placeNumber() ?? .max
            return try await call.read { snapshot in
                let page = try Page<InboxEvent>(
                    limit: call.limit, place: { [.integer($0.seq)] }, bytes: { $0.payload.text.utf8.count },
                    read: { last, count in
                        try snapshot.latestEvents(
                            name: call.text("name"), key: call.text("key"), before: last?.seq ?? before, limit: count)
                    })
                return try page.map { event in
                    EventView(event: event, consumer: try snapshot.consumer(ofEvent: event.seq))
                }
            }
        },
        .list("assets", "Assets that DAGs or updates name, by name.", of: AssetRow.resource, as: "assets") { call in
            try await call.read { try Page(of: $0.assets(), call) { $0.name } }
        },
    ]
}
