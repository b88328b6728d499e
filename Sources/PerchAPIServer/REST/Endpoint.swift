// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// One thing that can be asked of `/api/v2`: the table of them is what the server serves, and what it says of itself.
struct Endpoint: Sendable {
    /// A part of the path.
    enum Segment: Sendable, Hashable {
        case fixed(String)
        case name(String)
    }

    /// What may stand behind the question mark.
    struct Parameter: Sendable {
        var name: String
        var schema: Schema
        var about: String
    }

    /// With what one has to be allowed to do what the endpoint does.
    enum Reach: Sendable, Hashable {
        case everything
        /// With one DAG.
        case dag(String)
        /// With anything: what that is, the endpoint looks at itself.
        case something
    }

    /// What a header `Idempotency-Key` does, by which the same may be asked for twice.
    enum Repetition: Sendable, Hashable {
        /// Nothing: asking twice does what asking once does.
        case harmless
        /// The first answer is kept, and given again.
        case kept
        /// The endpoint sees to it itself.
        case own
        /// There can be none, and why.
        case refused(String)
    }

    /// Who answers.
    enum Service: Sendable {
        case call(@Sendable (RESTCall) async throws -> RESTReply)
        /// Starts a command, which is answered by what it says, a line at a time; gives also what one has to be allowed to do for it.
        case command(@Sendable (RESTCall) async throws -> (command: any StartedCommand, right: APIRight))
        /// What takes events in wherever they come from.
        case events
        /// What tells of changes for as long as the connection lives.
        case news
    }

    let method: HTTPRequest.Method
    /// Behind `/api/v2/`.
    let path: String
    let segments: [Segment]
    /// What one has to be allowed to do.
    var right: APIRight
    /// With what; where the path names a DAG, with that one.
    var reach: Reach
    let summary: String
    /// What the parts of the path may be, where that is not what their names say everywhere.
    var pathSchemas: [String: Schema] = [:]
    var parameters: [Parameter] = []
    /// What the body is; nil: there is none.
    var body: Schema?
    /// What holds of the members of the body together, as JSON Schema has it: the document tells it, and the endpoint sees to it.
    var bodyRules: [String: JSONValue] = [:]
    /// Whether the body may be as long as a batch of events.
    var isBulk = false
    var status: HTTPResponse.Status = .ok
    /// Others with which the same is answered.
    var otherStatuses: [HTTPResponse.Status] = []
    /// What is answered; nil: nothing.
    var answer: Schema?
    var repetition: Repetition
    var service: Service

    init(
        _ method: HTTPRequest.Method, _ path: String, _ right: APIRight, _ summary: String, answer: Schema?,
        service: Service
    ) {
        self.method = method
        self.path = path
        self.right = right
        self.summary = summary
        self.answer = answer
        self.service = service
        repetition = method == .post ? .kept : .harmless
        segments = [Segment](parsing: path)
        reach = segments.contains(.name("dag_id")) ? .something : .everything
    }

    /// With what a request has to be allowed to do what it asks for.
    func reach(of names: [String: String]) -> Reach {
        guard let dagID = names["dag_id"], dagID != "~" else { return reach }
        return .dag(dagID)
    }

    /// The same, for whoever has another role.
    func asking(_ right: APIRight) -> Endpoint {
        var endpoint = self
        endpoint.right = right
        return endpoint
    }

    /// The same, with what a key does.
    func repeated(_ repetition: Repetition) -> Endpoint {
        var endpoint = self
        endpoint.repetition = repetition
        return endpoint
    }

    /// The same, for whoever may do it with anything.
    var ofSome: Endpoint {
        var endpoint = self
        endpoint.reach = .something
        return endpoint
    }

    /// The same, with what holds of the members of the body together.
    func ruled(_ rules: [String: JSONValue]) -> Endpoint {
        var endpoint = self
        endpoint.bodyRules = rules
        return endpoint
    }

    /// The names in a path, where it is one of this endpoint.
    func names(in path: some Collection<String>) -> [String: String]? { segments.names(in: path) }
}

// MARK: the usual shapes

extension Endpoint {
    /// `GET` of one thing.
    static func one<Row>(
        _ path: String, _ summary: String, of resource: Resource<Row>, _ parameters: [Parameter] = [],
        find: @escaping @Sendable (RESTCall) async throws -> Row
    ) -> Endpoint {
        var endpoint = Endpoint(
            .get, path, .read, summary, answer: .selection(resource.schema),
            service: .call { call in RESTReply(resource.document(try await find(call), only: call.selection)) })
        endpoint.parameters = parameters + [.fields(of: resource)]
        return endpoint
    }

    /// `GET` of many things of a kind, a page at a time.
    static func list<Row>(
        _ path: String, _ summary: String, of resource: Resource<Row>, as member: String,
        _ parameters: [Parameter] = [],
        find: @escaping @Sendable (RESTCall) async throws -> Page<Row>
    ) -> Endpoint {
        let answer = Schema.object([
            Schema.Field(
                name: member, schema: .list(.selection(resource.schema), most: .max), about: "A page of them, in order."
            ),
            Schema.Field(
                name: "next_cursor", schema: .optional(.text),
                about: "The `cursor` of the next page; null: there is none."),
        ])
        var endpoint = Endpoint(
            .get, path, .read, summary, answer: answer,
            service: .call { call in
                let selection = call.selection
                let page = try await find(call)
                let cursor = page.next.map { JSONValue.string(Cursor.text(of: $0, call.listing)) }
                return RESTReply(
                    .object([
                        member: .array(page.rows.map { resource.document($0, only: selection) }),
                        "next_cursor": cursor ?? .null,
                    ]))
            })
        endpoint.parameters = parameters + [.limit, .cursor, .fields(of: resource)]
        return endpoint
    }

    /// What changes something and answers with how it stands then.
    static func change<Row>(
        _ method: HTTPRequest.Method, _ path: String, _ right: APIRight, _ summary: String, of resource: Resource<Row>,
        body: [Schema.Field]? = nil, _ parameters: [Parameter] = [],
        make: @escaping @Sendable (RESTCall) async throws -> Row
    ) -> Endpoint {
        var endpoint = Endpoint(
            method, path, right, summary, answer: resource.schema,
            service: .call { call in RESTReply(resource.document(try await make(call))) })
        endpoint.body = body.map { .object($0) }
        endpoint.parameters = parameters
        return endpoint
    }
}

extension Endpoint.Parameter {
    static let most: Int64 = 1_000
    static let limit = Self(
        name: "limit", schema: .integer(1...most), about: "At most so many; 100 if nothing is said.")
    static let cursor = Self(
        name: "cursor", schema: .formed(.cursor),
        about: "The `next_cursor` of the page before, with the same parameters.")
    static func fields<Row>(of resource: Resource<Row>) -> Self {
        Self(
            name: "fields", schema: .choices(resource.members.map(\.field.name)),
            about: "Only these fields of each, separated by commas.")
    }
    static let mapIndex = Self(
        name: "map_index", schema: .integer(-1...Int64(Int32.max)),
        about: "The instance of a mapped task; -1, as if nothing is said: of one that is not mapped.")

    static func text(_ name: String, _ about: String) -> Self { Self(name: name, schema: .text, about: about) }
    static func choice(_ name: String, _ names: [String], _ about: String) -> Self {
        Self(name: name, schema: .choice(names), about: about)
    }
    static func flag(_ name: String, _ about: String) -> Self { Self(name: name, schema: .flag, about: about) }
    static func span(_ name: String, _ about: String) -> Self { Self(name: name, schema: .span, about: about) }
    static func positiveSpan(_ name: String, _ about: String) -> Self {
        Self(name: name, schema: .positiveSpan, about: about)
    }
    static func instant(_ name: String, _ about: String) -> Self { Self(name: name, schema: .instant, about: about) }
}
