// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension PoolRow {
    static let resource = Resource<PoolRow>(
        "Pool",
        [
            .text("name", "Its name.") { $0.name },
            .count("slots", "How many slots it has.") { $0.slots },
            .text("description", "What it is for.") { $0.description },
            .flag("include_deferred", "Whether tasks that wait hold slots.") { $0.includesDeferred },
            .countOrNull("max_deferred", "How many of its tasks may wait at a time; null: any number.") {
                $0.maxDeferred
            },
            .count("occupied_slots", "Slots that are held.") { $0.used },
            .count("open_slots", "Slots that are free.") { $0.free },
            .count("running_tasks", "Tasks that run in it.") { $0.running },
            .count("queued_tasks", "Tasks that are queued in it.") { $0.queued },
            .count("deferred_tasks", "Tasks that wait in it, where it counts them.") { $0.deferred },
            .count("waiting_tasks", "Tasks that wait for room.") { $0.waiting },
        ])
}

extension Snapshot {
    /// A pool that is there.
    func knownPool(_ name: String) throws -> PoolRow {
        if let pool = try pool(name) { return pool }
        throw PerchError(
            .notFound, "there is no pool '\(name.shown())'; \(NearName.hint(name, try pools().map(\.name)))")
    }
}

extension Endpoint {
    static let pools: [Endpoint] = [
        .list("pools", "Pools, by name.", of: PoolRow.resource, as: "pools") { call in
            try await call.read { try Page(of: $0.pools(), call) { $0.name } }
        },
        .one("pools/{pool_name}", "One pool.", of: PoolRow.resource) { call in
            try await call.read { try $0.knownPool(call.name("pool_name")) }
        },
        .change(
            .put, "pools/{pool_name}", .admin, "Makes a pool, or changes it; what is left out stays as it was.",
            of: PoolRow.resource,
            body: [
                Schema.Field(
                    name: "slots", schema: .integer(0...1_000_000_000), about: "How many slots it has."),
                Schema.Field(name: "description", schema: .text, about: "What it is for.", isRequired: false),
                Schema.Field(
                    name: "include_deferred", schema: .flag, about: "Whether tasks that wait hold slots.",
                    isRequired: false),
                Schema.Field(
                    name: "max_deferred", schema: .optional(.integer(0...1_000_000_000)),
                    about: "How many of its tasks may wait at a time; null: any number.", isRequired: false),
            ]
        ) { call in
            let (name, body) = (call.name("pool_name"), call.body)
            let most: PoolRow.MostDeferred? = body["max_deferred"].map { _ in
                .init(body.integer("max_deferred").map { Int($0) })
            }
            return try await call.write { transaction in
                try transaction.setPool(
                    name, slots: Int(body.integer("slots") ?? 0), description: body.text("description"),
                    includeDeferred: body.flag("include_deferred"), maxDeferred: most)
                return try transaction.knownPool(call.name("pool_name"))
            }
        },
        .removal("pools/{pool_name}", "Removes a pool that nobody uses.") { call in
            try await call.write { transaction in
                _ = try transaction.knownPool(call.name("pool_name"))
                try transaction.deletePool(call.name("pool_name"))
            }
        },
    ]

    /// `DELETE` of one thing.
    static func removal(
        _ path: String, _ summary: String, remove: @escaping @Sendable (RESTCall) async throws -> Void
    ) -> Endpoint {
        var endpoint = Endpoint(
            .delete, path, .admin, summary, answer: nil,
            service: .call { call in
                try await remove(call)
                return RESTReply(nil)
            })
        endpoint.status = .noContent
        return endpoint
    }
}
