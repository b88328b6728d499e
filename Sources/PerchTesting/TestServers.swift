// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK
internal import PerchSimulation

/// The servers of a tester's world: what HTTP sensors ask. Requests that code of tasks makes are real ones.
public struct TestServers: Sendable {
    let thread: TesterThread
    let world: TesterWorld

    /// What a server answers.
    public struct Answer: Sendable {
        public var status: Int
        public var body: String
        public var headers: [String: String]
        /// Whether the connection is refused instead.
        var isRefused = false

        /// An answer from its parts.
        public init(status: Int = 200, body: String = "", headers: [String: String] = [:]) {
            self.status = status
            self.body = body
            self.headers = headers
        }

        /// No answer: nobody listens.
        public static let refused = Answer(isRefused: true)

        private init(isRefused: Bool) {
            self.init()
            self.isRefused = isRefused
        }

        fileprivate var simulated: SimulatedAnswer {
            if isRefused { return .fails(.refused) }
            return SimulatedAnswer(
                status: status, headers: headers.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
                body: Array(body.utf8))
        }
    }

    /// Answers every request for a URL alike from now on. A URL without a query stands for every query.
    public func respond(
        to url: String, status: Int = 200, body: String = "", headers: [String: String] = [:]
    ) async throws {
        try await respond(to: url) { _ in Answer(status: status, body: body, headers: headers) }
    }

    /// Answers every request for a URL as a closure says. It is called on the tester's thread.
    public func respond(to url: String, _ answer: @escaping @Sendable (TestRequest) -> Answer) async throws {
        try await thread.perform { [world] in
            world.simulation.http.serve(url) { request in
                answer(TestRequest(request)).simulated
            }
            try world.settle()
        }
    }

    /// Lets connections to a URL be refused.
    public func refuse(_ url: String) async throws {
        try await respond(to: url) { _ in .refused }
    }

    /// The requests for a URL, the first first. A URL without a query stands for every query.
    public func requests(to url: String) async throws -> [TestRequest] {
        try await thread.perform { [world] in
            world.requests.filter { $0.url == url || $0.url.prefix { $0 != "?" } == url }
        }
    }
}

extension TestRequest {
    init(_ request: SimulatedHTTP.Request) {
        self.init(
            method: request.method, url: request.url, headers: request.headers, body: request.body, at: request.at)
    }
}
