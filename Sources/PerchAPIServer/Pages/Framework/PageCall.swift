// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// A page that is asked for, or a form that was sent, by somebody who may.
struct PageCall: Sendable {
    let caller: Caller
    /// What stands in the path, by the names in it.
    let names: [String: String]
    /// The path as it was asked for, encoded, without what follows the question mark.
    let path: String
    let query: FormFields
    /// Empty where no form was sent.
    let form: FormFields
    let cookies: FormFields
    let metastore: Metastore
    let access: AccessControl
    let surroundings: APISurroundings
    let figures: FigureShelf

    /// A part of the path.
    func name(_ name: String) -> String { names[name, default: ""] }

    /// Whether the one who asks may start, end and repeat work: buttons that he may not press are not there.
    var mayOperate: Bool { may(.operate) }

    /// Whether the one who asks may do so much with the DAG that the page is of, or with everything.
    func may(_ right: APIRight) -> Bool {
        (names["dag_id"].map { caller.right(for: $0) } ?? caller.everywhere) >= right
    }

    /// Whether the one who asks sees what is of a DAG.
    func sees(_ dagID: String) -> Bool { caller.right(for: dagID) >= .viewer }

    /// - Throws: `Refusal` (403) where the one who asks may not do so much with a DAG.
    func require(_ needed: APIRight, for dagID: String) throws(Refusal) {
        let right = caller.right(for: dagID)
        guard right < needed else { return }
        throw AccessControl.forbidden(right, needed, " with the DAG '\(dagID.shown(60))'")
    }

    /// The same page with other values behind the question mark; nil takes one away.
    func link(_ changes: KeyValuePairs<String, String?>) -> String {
        path + PagePath.query(query.replacing(changes).map { ($0.name, $0.value) })
    }

    func read<Result: Sendable>(_ body: @escaping @Sendable (Snapshot) throws -> Result) async throws -> Result {
        try await metastore.read(body)
    }

    func write<Result: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> Result) async throws -> Result {
        try await metastore.write { transaction in
            let result = try body(transaction)
            try transaction.audit(auditEntry)
            return result
        }
    }

    /// What the record says of the form that was sent.
    private var auditEntry: AuditEntry {
        var fields: [String: JSONValue] = [:]
        for (name, value) in form.replacing([:]) where name != "csrf" && name != "back" {
            fields[name] = .string(value)
        }
        return AuditEntry(
            who: caller.name, how: caller.how, action: "form", subject: path,
            details: AuditDetails.withoutSecrets(.object(fields)))
    }

    /// A form that changes something: every one is made here, so that each carries what shows that this server made it.
    func form(_ action: String, class kind: String = "", _ body: HTML) -> HTML {
        let token: HTML =
            caller.csrf.map { "<input type=\"hidden\" name=\"csrf\" value=\"\(exact: $0)\">" } ?? ""
        return "<form method=\"post\" action=\"\(exact: action)\" class=\"\(kind)\">\(token)\(body)</form>"
    }

    /// A form that is one button.
    func button(_ words: String, _ action: String, fields: [(name: String, value: String)] = [], kind: String = "")
        -> HTML
    {
        let hidden = fields.map { field -> HTML in
            "<input type=\"hidden\" name=\"\(field.name)\" value=\"\(exact: field.value)\">"
        }
        return form(action, class: "inline", "\(hidden)<button class=\"\(kind)\">\(words)</button>")
    }

    /// Where one is led when something is done: a path of this server that was named, or another one.
    func wayBack(or other: String) -> String {
        guard let path = form["back"] ?? query["back"], path.hasPrefix("/"), !path.hasPrefix("//"),
            !path.hasPrefix("/\\"),
            path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return other }
        return path
    }
}

/// What a page answers.
enum PageReply: Sendable {
    case page(PageContent)
    /// Leads to another page of this server, which shows the words.
    case redirect(to: String, words: String? = nil)
    /// Leads to another page, and keeps something in the browser.
    case keep(name: String, value: String, to: String)
    /// One that is never another under its path.
    case file(type: String, bytes: [UInt8])
    /// One that is made when it is asked for.
    case document(type: String, bytes: [UInt8])
}

/// What a page says: the layout is put around it.
struct PageContent: Sendable {
    var title: String
    var section: PageSection
    /// What stands above it, from the outermost on.
    var trail: [(words: String, path: String)] = []
    /// Beside the title.
    var aside: HTML = .empty
    /// Other views of the same thing.
    var tabs: [PageTab] = []
    var body: HTML
    var status: HTTPResponse.Status = .ok
    /// Whether it is worth looking again by itself, where scripts run.
    var isLive = false
}

/// A view of a thing that has several.
struct PageTab: Sendable {
    var words: String
    var path: String
    var isCurrent: Bool
}

/// What stands in the navigation. Only what there is a page for is shown.
enum PageSection: String, Sendable, CaseIterable {
    case home = "Home"
    case dags = "DAGs"
    case deferred = "Deferred"
    case jobs = "Triggerers and workers"
    case events = "Events"
    case assets = "Assets"
    case pools = "Pools"
    case variables = "Variables"
    case connections = "Connections"
    case backfills = "Backfills"
    case approvals = "Approvals"
    case audit = "Audit"
    case users = "Users"
    case account = "Account"

    var path: String {
        switch self {
        case .home: "/"
        case .dags: "/dags"
        case .deferred: "/deferred"
        case .jobs: "/jobs"
        // Whoever sends events to /events is refused as a program is.
        case .events: "/inbox"
        case .assets: "/assets"
        case .pools: "/pools"
        case .variables: "/variables"
        case .connections: "/connections"
        case .backfills: "/backfills"
        case .approvals: "/approvals"
        case .audit: "/audit"
        case .users: "/users"
        case .account: "/account"
        }
    }
}
