// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// One page that can be looked at, or one form that can be sent.
struct PageRoute: Sendable {
    let method: HTTPRequest.Method
    /// As `/dags/{dag_id}`; a part in braces is a name.
    let path: String
    let segments: [Endpoint.Segment]
    /// What one has to be allowed to do.
    var right: APIRight
    /// Whether it is for everybody, as what makes a page look as it does.
    var isPublic = false
    /// Whether it is for whoever sees some DAG: it shows what they see.
    var isOfSome = false
    let serve: @Sendable (PageCall) async throws -> PageReply

    private init(
        _ method: HTTPRequest.Method, _ path: String, _ right: APIRight,
        _ serve: @escaping @Sendable (PageCall) async throws -> PageReply
    ) {
        self.method = method
        self.path = path
        self.right = right
        self.serve = serve
        segments = [Endpoint.Segment](parsing: path)
    }

    /// A page, for whoever may look at things.
    static func page(
        _ path: String, show: @escaping @Sendable (PageCall) async throws -> PageContent
    ) -> PageRoute {
        PageRoute(.get, path, .read) { .page(try await show($0)) }
    }

    /// The same, for whoever sees some DAG.
    var ofSome: PageRoute {
        var route = self
        route.isOfSome = true
        return route
    }

    /// The same, for whoever has another role.
    func asking(_ right: APIRight) -> PageRoute {
        var route = self
        route.right = right
        return route
    }

    /// What is no page but is asked for as one: a file, a link that leads on.
    static func get(
        _ path: String, isPublic: Bool = false, serve: @escaping @Sendable (PageCall) async throws -> PageReply
    ) -> PageRoute {
        var route = PageRoute(.get, path, .read, serve)
        route.isPublic = isPublic
        return route
    }

    /// A form: does what it says, and leads to the page that shows what has become of it; or is shown again, with what is wrong.
    static func action(
        _ path: String, _ right: APIRight = .operate, perform: @escaping @Sendable (PageCall) async throws -> PageReply
    ) -> PageRoute {
        PageRoute(.post, path, right, perform)
    }
}

/// A page that is asked for, with what stands in its path.
struct PageMatch: Sendable {
    var route: PageRoute
    var names: [String: String]

    /// With what one has to be allowed to do what is asked for.
    var reach: Endpoint.Reach {
        names["dag_id"].map { .dag($0) } ?? (route.isOfSome ? .something : .everything)
    }
}

/// All pages and forms.
enum PageTable {
    static let all: [PageRoute] =
        PageRoute.statics + PageRoute.home + PageRoute.dags + PageRoute.dag + PageRoute.runs
        + PageRoute.instances + PageRoute.waits + PageRoute.jobs + PageRoute.inbox + PageRoute.assets
        + PageRoute.backfills + PageRoute.approvals + PageRoute.pools + PageRoute.variables + PageRoute.connections
        + PageRoute.access + PageRoute.audit

    /// The page for a path; nil where the path is that of no page.
    /// - Throws: `Refusal`: 405 for a method that the path does not know.
    static func match(_ method: HTTPRequest.Method, _ path: [String]) throws(Refusal) -> PageMatch? {
        var others: [HTTPRequest.Method] = []
        // A fixed part stands before a name in the table.
        for route in all {
            guard let names = route.segments.names(in: path == [""] ? [] : path) else { continue }
            if route.method == method || (method == .head && route.method == .get) {
                return PageMatch(route: route, names: names)
            }
            others.append(route.method)
        }
        guard !others.isEmpty else { return nil }
        let names = others.map(\.rawValue).joined(separator: ", ")
        throw Refusal(
            .methodNotAllowed, "method_not_allowed", "\(method.rawValue.shown(20)) is not served here; \(names) is",
            [.allow: names])
    }

    /// Whether there is something to look at where a target leads.
    static func shows(_ target: String) -> Bool {
        do {
            return try match(.get, RequestTarget(target).path) != nil
        } catch {
            return false  // because what cannot be read leads nowhere, and what is no GET shows nothing
        }
    }

    /// Whether there is a page at a path that has no names in it, and somebody may look at it; nil: it is not known who asks.
    static func has(_ path: String, for caller: Caller? = nil) -> Bool {
        guard let route = plain[path] else { return false }
        guard let caller else { return true }
        return (route.isOfSome ? caller.highest : caller.everywhere) >= route.right
    }

    private static let plain = Dictionary(
        all.filter { $0.method == .get }.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })

    /// What the paths of pages begin with.
    private static let firsts: Set<String> = Set(
        all.compactMap { if case .fixed(let text)? = $0.segments.first { text } else { nil } })

    /// Whether what is refused at a path is told as a page.
    static func speaks(at path: String?) -> Bool {
        guard let path, path.hasPrefix("/") else { return false }
        let first = path.dropFirst().prefix { $0 != "/" && $0 != "?" }
        return first.isEmpty ? path == "/" || path.hasPrefix("/?") : firsts.contains(String(first))
    }
}
