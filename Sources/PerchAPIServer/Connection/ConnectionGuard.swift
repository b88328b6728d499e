// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import PerchSDK

/// Stands between a connection and what serves it: gathers a request until it is whole, and lets only whole ones through, one
/// at a time. What is too large, too slow, malformed or not admitted never gets further than here.
///
/// Lives on the connection's event loop.
final class ConnectionGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let api: EventAPI
    private let budget: HeldBytes
    private let crowd: ConnectionCrowd
    /// While the connection is there.
    private var context: ChannelHandlerContext?
    private var state: ConnectionState
    private var timer: (at: Int64, scheduled: Scheduled<Void>)?
    /// The request that is being gathered.
    private var head: HTTPRequest?
    /// The head of the last request, also when it is refused.
    private var asking: HTTPRequest?
    private var body = ByteBuffer()
    private var mostBytes = 0
    private var held = 0
    /// Bytes of answers that the connection has not taken yet.
    private var untaken = 0
    /// Whether that counts among all connections': not any more once this one was given up, which an encrypted one outlives.
    private var isCounted = true
    /// Whether the server stops.
    private var isQuiescing = false
    /// What the sender has sent before the answer to his last request.
    private var early: [HTTPRequestPart] = []
    private var isReadWanted = false
    /// Whether it is still being looked up who may send what has come.
    private var isLookingUp = false

    init(api: EventAPI, budget: HeldBytes, crowd: ConnectionCrowd) {
        self.api = api
        self.budget = budget
        self.crowd = crowd
        state = ConnectionState(limits: api.limits, now: Self.now)
    }

    // MARK: the connection's life

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { enter(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        enter(context)
        context.fireChannelActive()
    }

    private func enter(_ context: ChannelHandlerContext) {
        guard self.context == nil else { return }
        self.context = context
        watchDeadline(context)
        guard crowd.enter(self) else {
            return refuse(context, .unavailable("there are too many connections at this moment", after: 1))
        }
    }

    /// Whether it waits for its sender, and since when: since so long before its deadline.
    var isWaiting: Bool { state.phase != .answering || isUntaken }
    /// Whether there is more of an answer than its sender takes.
    var isUntaken: Bool { untaken > 0 && context?.channel.isWritable == false }
    var deadline: Int64 { state.deadline }

    /// Ends, for there are too many connections and the others have kept the server waiting for less long.
    func giveWay() {
        if isCounted {
            isCounted = false
            crowd.release(untaken)
        }
        guard let context else { return }
        if state.phase == .reading {
            refuse(context, .unavailable("there are too many connections; nothing was taken", after: 1))
        } else {
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        crowd.leave(self)
        self.context = nil
        timer?.scheduled.cancel()
        timer = nil
        early = []
        release()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent, ChannelEvent.inputClosed:
            if event is ChannelShouldQuiesceEvent { isQuiescing = true }
            guard !state.isStreaming else { return context.close(promise: nil) }
            end(context, event)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    private func end(_ context: ChannelHandlerContext, _ event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            guard state.finish(now: Self.now, within: state.phase == .reading ? api.limits.stopTime : nil) else {
                context.close(promise: nil)
                return
            }
            watchDeadline(context)
        case ChannelEvent.inputClosed where state.phase != .answering:
            // A request that is not whole never will be.
            context.close(promise: nil)
        case ChannelEvent.inputClosed:
            _ = state.finish(now: Self.now, within: nil)
            context.fireUserInboundEventTriggered(event)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch state.phase {
        case .idle, .reading:
            let refusal =
                error as? HTTPParserError == .headerOverflow
                ? Refusal(
                    .requestHeaderFieldsTooLarge, "too_large",
                    "the head of the request is longer than \(api.limits.headBytes) bytes")
                : Refusal(.badRequest, "invalid_request", "this is no HTTP/1.1 request")
            refuse(context, refusal)
        // What cannot be read after a request does not take its answer away.
        case .answering: _ = state.finish(now: Self.now, within: nil)
        case .lingering: context.close(promise: nil)
        }
    }

    // MARK: in

    func read(context: ChannelHandlerContext) {
        if (state.phase == .answering && !state.isStreaming) || isLookingUp {
            isReadWanted = true
        } else {
            context.read()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        take(unwrapInboundIn(data), context)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // Nobody behind this asks for what is dropped.
        if state.phase == .lingering { context.read() }
    }

    private func take(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        switch (state.phase, part) {
        case (.lingering, _): break
        case _ where isLookingUp: early.append(part)
        case (.answering, _):
            if !state.closesNext { early.append(part) }
        case (_, .head(let head)): begin(head, context)
        case (_, .body(var chunk)): append(&chunk, context)
        case (_, .end): finish(context)
        }
    }

    private func begin(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
        let closes = (head.headerFields[.connection] ?? "").lowercased().split(separator: ",")
            .contains { $0.filter { $0 != " " } == "close" }
        state.begin(closes: closes, now: Self.now)
        watchDeadline(context)
        asking = head
        guard let lookUp = api.lookUp(for: head) else { return admit(head, context) }
        isLookingUp = true
        let promise = context.eventLoop.makePromise(of: Refusal?.self)
        promise.completeWithTask(lookUp)
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.isLookingUp = false
            // It may have taken too long, or the sender be gone.
            guard self.context != nil, self.state.phase == .reading else { return }
            if case .success(let refusal?) = result {
                self.refuse(context, refusal)
            } else {
                self.admit(head, context)
            }
            self.takeEarly(context)
        }
    }

    private func admit(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
        do throws(Refusal) {
            mostBytes = try api.admit(head)
            if let length = head.headerFields[.contentLength].flatMap({ Int($0) }), length > mostBytes {
                throw tooLarge
            }
        } catch {
            refuse(context, error)
            return
        }
        self.head = head
        if head.headerFields[.expect]?.lowercased() == "100-continue" {
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
        }
    }

    private func append(_ chunk: inout ByteBuffer, _ context: ChannelHandlerContext) {
        let count = chunk.readableBytes
        guard body.readableBytes + count <= mostBytes else { return refuse(context, tooLarge) }
        guard budget.take(count) else {
            return refuse(context, .unavailable("too much is being sent at this moment; nothing was taken", after: 1))
        }
        held += count
        body.writeBuffer(&chunk)
    }

    private var tooLarge: Refusal {
        .tooLarge(
            mostBytes == 0
                ? "this takes no body" : "the body is longer than \(mostBytes) bytes; nothing was taken")
    }

    private func finish(_ context: ChannelHandlerContext) {
        guard let head else { return }
        self.head = nil
        if api.stage == .draining { _ = state.finish(now: Self.now, within: nil) }
        state.end(now: Self.now)
        watchDeadline(context)
        context.fireChannelRead(wrapInboundOut(.head(head)))
        if body.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(.body(body))) }
        body = ByteBuffer()
        context.fireChannelRead(wrapInboundOut(.end(nil)))
    }

    // MARK: out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard state.phase == .answering else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(var head):
            if head.headerFields[.accelBuffering] != nil { stream(context) }
            if state.closesNext { head.headerFields[.connection] = "close" }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body(let chunk):
            if state.isStreaming { state.streamed(now: Self.now) }
            send(data, chunk.readableBytes, context, promise)
        case .end:
            context.writeAndFlush(data, promise: promise)
            answered(context)
        }
    }

    /// Writes a part of an answer, which counts until it was taken.
    private func send(
        _ data: NIOAny, _ count: Int, _ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?
    ) {
        let taken = promise ?? context.eventLoop.makePromise(of: Void.self)
        untaken += count
        taken.futureResult.assumeIsolated().whenComplete { _ in
            self.untaken -= count
            if self.isCounted { self.crowd.release(count) }
        }
        context.write(data, promise: taken)
        if isCounted { crowd.hold(count, of: self) }
    }

    /// An answer without end begins: the connection counts among others from now on, and its sender is heard no more, but for
    /// his going away.
    private func stream(_ context: ChannelHandlerContext) {
        // It would have no end.
        guard !isQuiescing else { return context.close(promise: nil) }
        state.stream(now: Self.now)
        crowd.leave(self)
        release()
        early = []
        if isReadWanted {
            isReadWanted = false
            context.read()
        }
    }

    private func answered(_ context: ChannelHandlerContext) {
        release()
        guard state.answered(now: Self.now) else {
            closeOutput(context)
            return
        }
        watchDeadline(context)
        takeEarly(context)
    }

    /// Goes on with what has come meanwhile.
    private func takeEarly(_ context: ChannelHandlerContext) {
        let parts = early
        early = []
        for part in parts { take(part, context) }
        if !parts.isEmpty { context.fireChannelReadComplete() }
        if isReadWanted, state.phase != .answering, !isLookingUp {
            isReadWanted = false
            context.read()
        }
    }

    /// Answers at once, whatever is still to come, and ends the connection.
    private func refuse(_ context: ChannelHandlerContext, _ refusal: Refusal) {
        api.refusals.note(refusal, from: api.sender(of: asking, on: context.channel.sender))
        head = nil
        body = ByteBuffer()
        release()
        let answer = refusal.answer(at: asking?.path)
        var fields = answer.head(at: api.clock.now, isSecure: api.isSecure)
        fields.headerFields[.connection] = "close"
        context.write(wrapOutboundOut(.head(fields)), promise: nil)
        context.write(wrapOutboundOut(.body(ByteBuffer(bytes: answer.body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        state.linger(now: Self.now)
        closeOutput(context)
    }

    /// Ends this side and reads on for a moment: a socket that is closed with bytes unread takes the answer back.
    private func closeOutput(_ context: ChannelHandlerContext) {
        watchDeadline(context)
        context.close(mode: .output, promise: nil)
        context.read()
    }

    private func release() {
        budget.give(held)
        held = 0
    }

    // MARK: time

    private static var now: Int64 { Int64(NIODeadline.now().uptimeNanoseconds / 1_000) }

    /// Has the deadline looked at when it comes; one that has only moved away is found by the timer that is set.
    private func watchDeadline(_ context: ChannelHandlerContext) {
        if let timer {
            guard state.deadline < timer.at else { return }
            timer.scheduled.cancel()
        }
        let at = state.deadline
        let scheduled = context.eventLoop.assumeIsolated().scheduleTask(
            deadline: .uptimeNanoseconds(UInt64(max(0, at)) * 1_000)
        ) {
            self.timer = nil
            switch self.state.expiry(now: Self.now) {
            case .wait: self.watchDeadline(context)
            case .close: context.close(promise: nil)
            case .refuse:
                self.refuse(
                    context,
                    Refusal(.requestTimeout, "timeout", "the request took too long to come; nothing was taken"))
            }
        }
        timer = (at, scheduled)
    }
}
