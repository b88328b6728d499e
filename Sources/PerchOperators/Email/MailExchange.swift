// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import PerchSDK

/// Hands one mail to a server. Blocks.
struct MailExchange: Sendable {
    let server: MailServer
    let message: MailMessage
    let attachmentLimit: Int
    let timeout: Duration

    /// The last refusal of the server; after it comes its goodbye.
    private final class Answers {
        private(set) var code = 0
        private var lines: [String] = []

        func take(_ line: String) {
            let line = line.trimmed
            guard let code = Int(line.prefix(3)), (400...599).contains(code) else { return }
            if code != self.code { lines = [] }
            self.code = code
            if lines.count < 6 { lines.append(line) }
        }

        var text: String { lines.joined(separator: " ").shown(400) }
    }

    /// Gives how many bytes the mail was.
    /// - Throws: `NonRetryable` where the server refuses it for good, `PerchError` (`unavailable`) where it may take it later.
    func perform(_ stop: StopSignal) throws -> Int {
        try MailStream.check(message.attachments, limit: attachmentLimit)
        let transfer = try CurlTransfer(stop, timeout: timeout)
        let stream = MailStream(message, limit: attachmentLimit)
        let answers = Answers()
        var recipients: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(recipients) }
        for recipient in message.recipients {
            recipients = curl_slist_append(recipients, "<\(recipient.address)>")
        }
        setUp(transfer, stream, answers)
        ccurl_request_pointer(transfer.handle, CURLOPT_MAIL_RCPT, recipients)
        let words = try withExtendedLifetime((stream, answers)) { try transfer.perform() }
        guard let words else { return stream.sent }
        if let failure = stream.failure { throw failure }
        let answer = answers.code > 0 ? "; the server said: \(answers.text)" : ""
        let text = "\(server.address) did not take the mail: \(words)\(answer)"
        // 4xx says that it may later.
        if answers.code >= 500 { throw NonRetryable(text) }
        throw PerchError(.unavailable, text)
    }

    private func setUp(_ transfer: CurlTransfer, _ stream: MailStream, _ answers: Answers) {
        transfer.text(CURLOPT_URL, server.address)
        transfer.text(CURLOPT_PROTOCOLS_STR, "smtp,smtps")
        transfer.number(
            CURLOPT_CONNECTTIMEOUT_MS, Int(max(1, min(TimeSpan(timeout).microseconds / 1_000, 30_000))))
        let level =
            switch server.startTLS {
            case .required: CURLUSESSL_ALL
            case .offered: CURLUSESSL_TRY
            case .never: CURLUSESSL_NONE
            }
        transfer.number(CURLOPT_USE_SSL, Int(level.rawValue))
        if let ca = server.ca { transfer.text(CURLOPT_CAINFO, ca) }
        if let login = server.login { transfer.text(CURLOPT_USERNAME, login) }
        if let password = server.password { transfer.text(CURLOPT_PASSWORD, password) }
        transfer.text(CURLOPT_MAIL_FROM, "<\(message.from.address)>")
        transfer.number(CURLOPT_UPLOAD, 1)
        transfer.on(CURLOPT_READFUNCTION, CURLOPT_READDATA, stream) { bytes, size, count, context in
            guard let bytes, let context else { return Int(CURL_READFUNC_ABORT) }
            let buffer = UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
            return Unmanaged<MailStream>.fromOpaque(context).takeUnretainedValue().fill(buffer)
                ?? Int(CURL_READFUNC_ABORT)
        }
        let taker: ccurl_request_taker = { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: size * count), as: UTF8.self)
            Unmanaged<Answers>.fromOpaque(context).takeUnretainedValue().take(line)
            return size * count
        }
        transfer.on(CURLOPT_HEADERFUNCTION, CURLOPT_HEADERDATA, answers, taker)
        transfer.on(CURLOPT_WRITEFUNCTION, CURLOPT_WRITEDATA, answers, taker)
    }
}
