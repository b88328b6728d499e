// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import HummingbirdCore
import NIOCore
import PerchMetastore
import PerchSDK

/// News for one connection, as server-sent events: what comes next is read when the connection can take it. It ends with the
/// connection, or with the server.
struct NewsFeed: AnswerFeed {
    static let contentType = "text/event-stream"

    let desk: NewsDesk
    let filter: NewsFilter
    /// What was heard last; nil: it begins now.
    let lastID: String?
    let seat: NewsDesk.Seat

    func makeAsyncIterator() -> Iterator { Iterator(feed: self) }

    func leave() { desk.leave(seat) }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate let feed: NewsFeed
        /// Nil before the beginning.
        private var place: Int64?
        private var beat = 0

        fileprivate init(feed: NewsFeed) { self.feed = feed }

        mutating func next() async -> ByteBuffer? {
            let (desk, seat) = (feed.desk, feed.seat)
            guard var place else {
                await desk.begin(seat)
                beat = desk.beats
                let (first, text) = desk.opening(feed.lastID)
                place = first
                return ByteBuffer(bytes: Array("retry: 2000\n\n".utf8) + text)
            }
            while true {
                let word = desk.next(seat, feed.filter, &place, beat: &beat)
                self.place = place
                switch word {
                case .send(let bytes): return ByteBuffer(bytes: bytes)
                case .wait: await desk.wait(seat, at: place, beat: beat)
                case .end: return nil
                }
            }
        }
    }
}

extension Endpoint {
    /// Answered by a stream, and here only to be spoken of.
    static let stream: [Endpoint] = [
        {
            var endpoint = Endpoint(
                .get, "stream", .read,
                "What changes, as server-sent events (text/event-stream) for as long as the connection lives.",
                answer: nil, service: .news)
            endpoint.parameters = [
                .text("dag_id", "Only what belongs to this DAG, or to none."),
                Endpoint.Parameter(
                    name: "kinds", schema: .choices(Change.Kind.allCases.map(\.rawValue)),
                    about: "Only these, with commas between."),
                .text("after", "Goes on behind this id, where no Last-Event-ID says so."),
            ]
            return endpoint
        }()
    ]
}

extension NewsFilter {
    /// What a request asks for, of which the parameters were held against their schemas.
    init(_ parameters: [String: JSONValue]) {
        if case .string(let dagID)? = parameters["dag_id"] { self.dagID = dagID }
        guard case .array(let names)? = parameters["kinds"] else { return }
        kinds = Set(names.compactMap { if case .string(let name) = $0 { Change.Kind(rawValue: name) } else { nil } })
    }
}
