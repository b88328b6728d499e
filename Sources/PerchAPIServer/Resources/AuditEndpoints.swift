// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension AuditRow {
    static let resource = Resource<AuditRow>(
        "AuditLogEntry",
        [
            .integer("id", "Its id.") { $0.auditID },
            .instant("when", "When it was done.") { $0.at },
            .text("owner", "Who did it.") { $0.entry.who },
            .text("how", "By what they were known: a token, a session, a command.") { $0.entry.how },
            .text("event", "What was done.") { $0.entry.action },
            .text("subject", "To what.") { $0.entry.subject },
            .any("extra", "More of it, without what may be secret.") { $0.entry.details },
        ])
}

extension Endpoint {
    static let audit: [Endpoint] = [
        .list(
            "auditLog", "What was changed over the API, and who may, the latest first.", of: AuditRow.resource,
            as: "entries",
            [
                .text("owner", "Only what this one has done."),
                .text("event", "Only what was done whose name has this in it."),
                .text("subject", "Only what was done to something whose name has this in it."),
                .instant("when_gte", "Only from this instant on."), .instant("when_lt", "Only before this instant."),
            ]
        ) { call in
            var filter = AuditFilter()
            filter.who = call.text("owner")
            filter.action = call.text("event")
            filter.subject = call.text("subject")
            filter.since = try call.instant("when_gte")
            filter.until = try call.instant("when_lt")
            filter.before = try call.placeNumber() ?? .max
            filter.limit = call.limit + 1
            let wanted = filter
            return try await call.read { snapshot in
                Page(try snapshot.auditLog(wanted), limit: call.limit) { [.integer($0.auditID)] }
            }
        }.asking(.admin)
    ]
}
