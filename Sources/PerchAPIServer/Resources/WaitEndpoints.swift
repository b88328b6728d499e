// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension WaitView {
    static let members: [Resource<WaitView>.Member] = [
        .integer("wait_id", "Its id.") { $0.wait.waitID },
        .text("dag_id", "The DAG's id.") { $0.wait.key.dagID },
        .text("dag_run_id", "The run's id.") { $0.wait.key.runID },
        .text("task_id", "The task's id.") { $0.wait.key.taskID },
        .integer("map_index", "Which instance of a mapped task waits; -1: it is not mapped.") {
            Int64($0.wait.key.mapIndex)
        },
        .count("try_number", "Which try of it.") { $0.wait.tryNumber },
        .text("kind", "What kind of thing is waited for: time, file, http, event, …") { $0.wait.kind },
        .text("target", "What is waited for.") { $0.wait.target },
        .instant("since", "Since when.") { $0.wait.since },
        .instantOrNull("due", "When it comes due, where that is known.") { $0.wait.due },
        .instantOrNull("deadline", "When it times out.") { $0.wait.deadline },
        .instantOrNull("next_probe_at", "When it is looked at next.") { $0.nextProbeAt },
        .instantOrNull("last_probe_at", "When it was looked at last.") { $0.probe?.state.lastProbeAt },
        .textOrNull("last_result", "What was seen then.") { $0.lastResult },
        .integer("probes", "How often it was looked at.") { $0.probe?.state.probes ?? 0 },
        .count("sharing", "How many waits share what is looked at, this one included.") { $0.sharing },
        .textOrNull("owner", "The triggerer that watches it; null: none.") { $0.owner },
    ]

    static let resource = Resource("Wait", members)

    static let details = Resource<WaitView>(
        "WaitDetails",
        members + [
            .instantOrNull("as_of", "When what is said of probes was stored.") { $0.probe?.asOf },
            .flag("is_sensor", "Whether a sensor waits, or code in the middle of a task.") { $0.wait.isSensor },
            .text("journal_key", "Its name in the try.") { $0.wait.journalKey },
            .any("definition", "The trigger, as it is stored; secrets are references.") { json($0.wait.definition) },
            .any("progress", "How far the trigger has come, where that is stored.") { json($0.wait.progress) },
            .integer("event_floor", "Events up to this one are not for it.") { $0.wait.eventFloor },
            .count("shard", "Which part of its queue it lies in.") { $0.wait.shard },
            .textOrNull("host", "The machine that alone can watch it.") { $0.wait.host },
            .text("queue", "Which triggerers watch it.") { $0.wait.queue },
        ])

    private static func json(_ text: String?) -> JSONValue {
        guard let text else { return .null }
        let value = try? JSONValue(parsingEnvelope: text)  // because what is no JSON is shown as it stands
        return value ?? .string(text)
    }
}

extension ExplainedWait {
    static let resource = Resource<ExplainedWait>(
        "WaitExplanation",
        [
            .integer("wait_id", "Its id.") { $0.stored.wait.waitID },
            .text("dag_id", "The DAG's id.") { $0.stored.wait.key.dagID },
            .text("dag_run_id", "The run's id.") { $0.stored.wait.key.runID },
            .text("task_id", "The task's id.") { $0.stored.wait.key.taskID },
            .integer("map_index", "Which instance of a mapped task waits.") { Int64($0.stored.wait.key.mapIndex) },
            .texts("sentences", "What is watched, how, what was last seen, what comes next.") {
                $0.sentences
            },
            .instantOrNull("next_probe_at", "When it is looked at next.") {
                $0.probe?.nextProbeAt ?? $0.stored.wait.due
            },
            .instantOrNull("last_probe_at", "When it was looked at last.") { $0.probe?.lastProbeAt },
            .textOrNull("last_result", "What was seen then.") { $0.probe?.lastResult },
            .integer("probes", "How often it was looked at.") { $0.probe?.probes ?? 0 },
            .count("sharing", "How many waits share what is looked at.") { $0.sharing },
            .textOrNull("owner", "The triggerer that watches it; null: none.") { $0.stored.owner },
            .flag("live", "Whether its triggerer says so at this moment, or it was stored before.") { $0.live != nil },
            .textOrNull("note", "Why it is not the triggerer that says so; null where it is.") { $0.note },
            .instantOrNull("as_of", "When it was so.") { $0.asOf },
        ])
}

extension Endpoint {
    private static func filter(_ call: RESTCall, now: Timestamp) throws -> WaitFilter {
        var filter = WaitFilter()
        filter.dagID = call.text("dag_id")
        filter.runID = call.text("dag_run_id")
        filter.taskID = call.text("task_id")
        filter.kind = call.text("kind")
        filter.targetContains = call.text("target_contains")
        filter.owner = call.text("owner")
        filter.registeredBefore = try call.span("older_than").map { now + TimeSpan(microseconds: -$0.microseconds) }
        filter.nextBy = try call.span("due_within").map { now + $0 }
        filter.sort = call.text("sort").flatMap(WaitSort.init(rawValue:)) ?? .id
        filter.isReversed = call.flag("reverse") ?? false
        filter.limit = call.limit + 1
        return filter
    }

    /// A wait's place in every order, and the instant by which the list began: what belongs to it is decided by that one.
    private static func place(_ wait: WaitRow, _ began: Timestamp) -> [JSONValue] {
        func instant(_ instant: Timestamp?) -> JSONValue { instant.map { .integer($0.microseconds) } ?? .null }
        return [
            instant(began), .integer(wait.waitID), instant(wait.since), instant(wait.due), instant(wait.deadline),
            .string(wait.target),
        ]
    }

    private static func began(_ place: [JSONValue]) throws(Refusal) -> (began: Timestamp, after: WaitPlace) {
        func instant(_ value: JSONValue) -> Timestamp? {
            if case .integer(let microseconds) = value { Timestamp(microseconds: microseconds) } else { nil }
        }
        guard place.count == 6, let began = instant(place[0]), case .integer(let waitID) = place[1],
            let since = instant(place[2]), case .string(let target) = place[5]
        else { throw Cursor.refusal }
        let after = WaitPlace(
            waitID: waitID, since: since, due: instant(place[3]), deadline: instant(place[4]), target: target)
        return (began, after)
    }

    /// How far a forecast may look.
    private static let mostAhead = TimeSpan.seconds(100 * 365 * 86_400)

    static let waits: [Endpoint] = [
        .list(
            "deferred", "Everything that waits; if nothing else is said, the oldest first.", of: WaitView.resource,
            as: "waits",
            [
                .text("dag_id", "Only waits of this DAG."), .text("dag_run_id", "Only waits of this run."),
                .text("task_id", "Only waits of this task."), .text("kind", "Only waits of this kind."),
                .text("target_contains", "Only waits whose target has this in it."),
                .text("owner", "Only waits that this triggerer watches, host:pid."),
                .span("older_than", "Only waits that wait for longer than this."),
                .span("due_within", "Only waits that come due or time out within this from now."),
                .choice(
                    "sort", WaitSort.allCases.map(\.rawValue), "The order; every other than id looks at all waits."),
                .flag("reverse", "Whether the order is turned round."),
            ]
        ) { call in
            let place = try call.place.map { place throws(Refusal) in try Endpoint.began(place) }
            return try await call.read { snapshot in
                let began = place?.began ?? snapshot.now
                var filter = try Endpoint.filter(call, now: began)
                filter.after = place?.after
                filter.dagIDs = try call.visibleDAGs(snapshot)
                let page = Page(try snapshot.waits(filter), limit: call.limit) { Endpoint.place($0, began) }
                var book = try WaitBook(snapshot)
                return try page.map { try book.view($0, snapshot) }
            }
        }.ofSome,
        .one(
            "deferred/forecast", "How many waits come due or time out, and when.", of: WaitForecast.resource,
            [
                .positiveSpan("within", "How far to look ahead; a day if nothing is said."),
                Parameter(
                    name: "buckets", schema: .integer(1...1_000),
                    about: "Into how many equal spans to divide that; 24 if nothing is said."),
            ]
        ) { call in
            let span = try call.span("within") ?? .seconds(86_400)
            guard (1...mostAhead.microseconds).contains(span.microseconds) else {
                throw Refusal.parameter("within", "'within' is a length of time such as 2h, and at most \(mostAhead)")
            }
            let buckets = Int(call.integer("buckets") ?? 24)
            return try await call.read { try $0.forecast(within: span, buckets: buckets) }
        },
        .one("deferred/{wait_id}", "One wait, with its trigger.", of: WaitView.details) { call in
            try await call.read { snapshot in
                var book = try WaitBook(snapshot)
                return try book.view(snapshot.knownWait(of: call), snapshot)
            }
        }.ofSome,
        .one(
            "deferred/{wait_id}/explain", "What a wait looks at, what was last seen, what comes next.",
            of: ExplainedWait.resource
        ) { call in
            let stored = try await call.read { try $0.storedExplanation(of: $0.knownWait(of: call)) }
            return await ExplainedWait(stored, asking: call.surroundings.explain)
        }.ofSome,
    ]
}

extension WaitForecast {
    private static let bucket = Resource<Bucket>(
        "ForecastBucket",
        [
            .instant("from", "Where it begins.") { $0.from }, .instant("to", "Where it ends.") { $0.to },
            .count("due", "Time waits that come due in it.") { $0.due },
            .count("timeouts", "Waits that time out in it.") { $0.timeouts },
        ])
    private static let kind = Resource<KindCount>(
        "WaitCount", [.text("kind", "A kind.") { $0.kind }, .count("waits", "How many there are.") { $0.count }])
    private static let sharedTarget = Resource<SharedTarget>(
        "SharedTarget",
        [
            .text("kind", "Its kind.") { $0.kind }, .text("target", "What is waited for.") { $0.target },
            .count("waits", "By how many.") { $0.count },
        ])

    static let resource = Resource<WaitForecast>(
        "WaitForecast",
        [
            .instant("as_of", "When it was so.") { $0.asOf }, .count("waits", "How many waits there are.") { $0.waits },
            .count("overdue", "Whose instant has passed.") { $0.overdue },
            .count("later", "Whose instant comes after the last bucket.") { $0.later },
            .count("open", "Which have none.") { $0.open },
            .list("buckets", of: bucket, "What comes when; each wait counts once.") { $0.buckets },
            .list("kinds", of: kind, "How many there are of each kind.") { $0.kinds },
            .list("most_shared", of: sharedTarget, "What most waits share.") { $0.shared },
            .countOrNull("oldest_wait_id", "The one that waits for longest.") { $0.oldest.map { Int($0.waitID) } },
            .instantOrNull("oldest_since", "Since when it waits.") { $0.oldest?.since },
        ])
}
