// SPDX-License-Identifier: Apache-2.0

package import PerchReactor
package import PerchSDK
internal import PerchTriggersHTTP

/// The servers of a simulated world. They outlive its engines; each engine reaches them through a transport of its own.
///
/// A script answers for a URL, with its query or for every query; where there is none, `fallback` does.
///
/// Unchecked, because a simulation runs on one thread.
package final class SimulatedHTTP: @unchecked Sendable {
    /// A request as a server sees it.
    package struct Request {
        package var method: String
        package var url: String
        package var headers: [(name: String, value: String)]
        package var body: String?
        /// The how manyth it is for this URL, from 1 on.
        package var number: Int
        /// When it came.
        package var at: Timestamp
    }

    package typealias Script = (Request) -> SimulatedAnswer

    private var scripts: [String: Script] = [:]
    private var outages: [String: SimulatedAnswer.Fault] = [:]
    private var counts: [String: Int] = [:]
    private var held = 0

    /// What URLs without a script answer.
    package var fallback: Script = { _ in .fails(.refused) }
    /// How many microseconds a request takes where its answer does not say.
    package var latency: ClosedRange<Int64> = 1_000...50_000
    /// Called for every request that reaches a server or fails on its way.
    package var onRequest: ((Request) -> Void)?

    /// A world without servers.
    package init() {}

    // MARK: Scripts

    /// Answers every request for a URL by a script.
    package func serve(_ url: String, _ script: @escaping Script) {
        scripts[url] = script
    }

    /// Answers requests for a URL one after the other, the last for ever.
    package func serve(_ url: String, _ answers: [SimulatedAnswer]) {
        precondition(!answers.isEmpty, "a server has an answer")
        let before = requests(to: url)
        scripts[url] = { request in answers[min(max(request.number - before, 1), answers.count) - 1] }
    }

    /// Answers a URL with one and the other in turn, for so long each, by the clock.
    package func flap(_ url: String, every span: TimeSpan, _ one: SimulatedAnswer, _ other: SimulatedAnswer) {
        let span = max(1, span.microseconds)
        scripts[url] = { $0.at.microseconds / span % 2 == 0 ? one : other }
    }

    /// Lets everything fail that is asked of a host (`name` or `name:port`, as URLs write it); nil ends that.
    package func setOutage(_ host: String, _ fault: SimulatedAnswer.Fault?) {
        outages[host] = fault
    }

    // MARK: Looking

    /// How many requests were made for a URL, its query included.
    package func requests(to url: String) -> Int { counts[url] ?? 0 }

    /// How many requests were made, by URL, in the order of URLs.
    package var requestCounts: [(url: String, count: Int)] {
        counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// How many requests of living processes are under way.
    package var requestsUnderWay: Int { held }

    // MARK: The way to it

    /// The servers as a new process reaches them, on the loop of one of its threads.
    package func transport(loop: any EventLoop) -> SimulatedTransport { SimulatedTransport(self, loop: loop) }

    func answer(_ request: HTTPRequest, at now: Int64) -> SimulatedAnswer {
        let number = (counts[request.url] ?? 0) + 1
        counts[request.url] = number
        let seen = Request(
            method: request.method, url: request.url, headers: request.headers, body: request.body, number: number,
            at: Timestamp(microseconds: now))
        onRequest?(seen)
        if let fault = outages[Self.host(of: request.url)] { return .fails(fault) }
        let script = scripts[request.url] ?? scripts[String(request.url.prefix { $0 != "?" })] ?? fallback
        return script(seen)
    }

    func began() { held += 1 }
    func ended() { held -= 1 }

    private static func host(of url: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return "" }
        return String(url[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" })
    }
}
