// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// What the program is.
private struct VersionView: Sendable {
    var version: String

    static let resource = Resource<VersionView>("Version", [.text("version", "That of Perch.") { $0.version }])
}

/// Whether each part of the engine lives.
struct HealthView: Sendable {
    struct Part: Sendable {
        var isWell: Bool
        /// How many of it live.
        var count: Int

        static let resource = Resource<Part>(
            "HealthPart",
            [
                .choice("status", ["healthy", "unhealthy"], "Whether it does its work.") {
                    $0.isWell ? "healthy" : "unhealthy"
                },
                .count("count", "How many of it live.") { $0.count },
            ])
    }

    private(set) var scheduler: Part
    private(set) var triggerer: Part
    private(set) var worker: Part

    init(_ snapshot: Snapshot) throws {
        let living = try snapshot.processes(role: nil).filter { $0.leaseUntil > snapshot.now }
        func part(_ role: String) -> Part {
            let count = living.count { $0.role == role }
            return Part(isWell: count > 0, count: count)
        }
        scheduler = part(SchedulerRow.role)
        triggerer = part(TriggererRow.role)
        worker = part(WorkerRow.role)
    }

    static let resource = Resource<HealthView>(
        "HealthInfo",
        [
            // Who reads this has read it in the metastore.
            .part("metadatabase", of: Part.resource, "The metastore.") { _ in Part(isWell: true, count: 1) },
            .part("scheduler", of: Part.resource, "Schedulers whose leases hold.") { $0.scheduler },
            .part("triggerer", of: Part.resource, "Triggerers whose leases hold.") { $0.triggerer },
            .part("worker", of: Part.resource, "Workers whose leases hold.") { $0.worker },
        ])
}

extension Resource.Member {
    /// One thing of another kind.
    fileprivate static func part<Element>(
        _ name: String, of resource: Resource<Element>, _ about: String, _ value: @escaping @Sendable (Row) -> Element
    ) -> Self {
        Self(field: Schema.Field(name: name, schema: resource.schema, about: about)) { resource.document(value($0)) }
    }
}

extension Endpoint {
    static let monitor: [Endpoint] = [
        .one("version", "The version of Perch.", of: VersionView.resource) { call in
            VersionView(version: call.surroundings.version)
        }.ofSome,
        .one("monitor/health", "Whether each part of the engine lives.", of: HealthView.resource) { call in
            try await call.read { try HealthView($0) }
        }.ofSome,
        document.ofSome,
    ]

    private static let document = Endpoint(
        .get, "openapi.json", .read, "This description of the API: OpenAPI 3.1.", answer: .map,
        service: .call { call in RESTReply(OpenAPIDocument.text(call.surroundings.version)) })
}
