// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import PerchSDK

/// How a connection is served: HTTP/1.1, the guard, and behind it what answers whole requests.
struct APIChannel: HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    let responder: HTTPChannelHandler.Responder
    private let api: EventAPI
    private let budget: HeldBytes
    private let crowd: ConnectionCrowd
    /// Nil where connections are not encrypted.
    private let tls: TLSKeeper?

    init(api: EventAPI, tls: TLSKeeper? = nil) {
        self.api = api
        self.tls = tls
        budget = HeldBytes(most: api.limits.heldBytes)
        crowd = ConnectionCrowd(most: api.limits.connections, untaken: api.limits.untakenBytes)
        responder = { request, writer, channel in
            let body = try await request.body.collect(upTo: .max)
            let sender = api.sender(of: request.head, on: channel.sender)
            var answer: APIAnswer
            do throws(Refusal) {
                answer = try await api.respond(
                    to: request.head, body: body, on: channel.eventLoop, from: sender)
            } catch {
                api.refusals.note(error, from: sender)
                answer = error.answer(at: request.head.path)
            }
            if request.method == .head { answer.body = [] }
            if let feed = answer.feed {
                channel.closeFuture.whenComplete { _ in feed.leave() }
                return try await writer.write(
                    response: answer.head(at: api.clock.now), body: ResponseBody(asyncSequence: feed))
            }
            try await writer.write(
                response: answer.head(at: api.clock.now, isSecure: api.isSecure),
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body)))
        }
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = api.limits.headBytes
            limits.maxHeaderListSize = api.limits.headBytes
            limits.maxHeaderFieldCount = 100
            let pipeline = channel.pipeline.syncOperations
            if let tls { try pipeline.addHandler(tls.handler()) }
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: false, withErrorHandling: false, withOutboundHeaderValidation: false,
                withEncoderConfiguration: .init(), withDecoderLimitConfiguration: limits)
            try pipeline.addHandler(OldVersionHandler())
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: tls != nil))
            try pipeline.addHandler(ConnectionGuard(api: api, budget: budget, crowd: crowd))
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }
}

extension Channel {
    /// The other side's address.
    var sender: String { remoteAddress?.ipAddress ?? "unknown" }
}
