// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchOperators

@Suite("Mails", .timeLimit(.minutes(2)))
struct EmailOperatorTests {
    private func connection(_ server: MailServerProcess, _ extra: [String: JSONValue] = [:]) -> Connection {
        var all: [String: JSONValue] = ["starttls": "never", "from": "Perch <perch@example.org>"]
        all.merge(extra) { $1 }
        return Connection(type: "smtp", host: "127.0.0.1", port: server.port, extra: all)
    }

    private func send(_ mail: EmailOperator, _ connection: Connection, element: String? = nil) async throws -> SentEmail
    {
        try await mail.execute(TaskContext(runtime: RecordingRuntime(["smtp_default": connection], element: element)))
    }

    private func failure(_ mail: EmailOperator, _ connection: Connection) async -> any Error {
        do {
            let sent = try await send(mail, connection)
            return PerchError(.conflict, "it was sent: \(sent)")
        } catch {
            return error
        }
    }

    private func folder() throws -> String {
        let path = NSTemporaryDirectory() + "perch-email-test-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    @Test("names, subject, texts and attachments in any letters come out as they went in, in short lines")
    func wholeMail() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }  // because nothing else of the test may hide it
        let rows = (0..<20_000).map { "\($0),ü" }.joined(separator: "\n")
        try Data(rows.utf8).write(to: URL(filePath: folder + "/Übersicht 2026.csv"))
        try Data().write(to: URL(filePath: folder + "/empty.bin"))
        let server = try MailServerProcess()
        let text = "Zeile eins \n.\n..zwei\t\nund " + String(repeating: "länger ", count: 60) + "=20 €\r\nEnde"
        let subject = "Bericht für {{ params.name }} — " + String(repeating: "Größe ", count: 20) + "🦆"
        let sent = try await send(
            EmailOperator(
                to: ["Jörg Müller <joerg@example.org>, b@example.org"], cc: ["\"Doe, \\\"Jo\\\"\" <c@example.org>"],
                bcc: ["secret@example.org", "b@example.org"], subject: subject, text: text,
                html: "<p>Grüße {{ ds }}</p>",
                attachments: [
                    EmailAttachment(folder + "/Übersicht 2026.csv"),
                    EmailAttachment(folder + "/empty.bin", name: "e \"q\".bin", type: "application/x-own"),
                ]),
            connection(server))
        let mail = try #require(try server.parsed().first)
        #expect(sent.recipients == ["joerg@example.org", "b@example.org", "c@example.org", "secret@example.org"])
        #expect(mail["envelope"] == ["joerg@example.org", "b@example.org", "c@example.org", "secret@example.org"])
        #expect(mail["subject"] == .string(subject.replacing("{{ params.name }}", with: "Ann")))
        #expect(mail["from"] == [["Perch", "perch@example.org"]])
        #expect(mail["to"] == [["Jörg Müller", "joerg@example.org"], ["", "b@example.org"]])
        #expect(mail["cc"] == [["Doe, \"Jo\"", "c@example.org"]])
        #expect(mail["bcc"] == .null)
        #expect(mail["defects"] == [])
        #expect(mail["date"] == "2026-01-01 00:00:00+00:00")
        #expect(mail["id"] == .string("<\(sent.messageID)>"))
        #expect(sent.messageID.hasSuffix("@example.org") && sent.messageID.hasPrefix("perch-"))
        #expect(mail["top"] == "multipart/mixed")
        guard case .array(let parts)? = mail["parts"], parts.count == 4 else { throw PerchError(.invalid, mail.text) }
        let lines = text.replacing("\r\n", with: "\n").replacing("\n", with: "\r\n")
        #expect(parts[0]["text"] == .string(lines + "\r\n"))
        #expect(parts[0]["type"] == "text/plain" && parts[0]["charset"] == "utf-8")
        #expect(parts[1]["text"] == "<p>Grüße 2026-01-01</p>\r\n" && parts[1]["type"] == "text/html")
        #expect(parts[2]["text"] == .string(rows) && parts[2]["name"] == "Übersicht 2026.csv")
        #expect(parts[2]["type"] == "text/csv" && parts[2]["disposition"] == "attachment")
        #expect(parts[3]["text"] == "" && parts[3]["name"] == "e \"q\".bin" && parts[3]["type"] == "application/x-own")
        guard case .integer(let longest)? = mail["longest"] else { throw PerchError(.invalid, mail.text) }
        #expect(longest <= 78)
    }

    @Test("one text is one part; a retry of the same try is recognised by its Message-ID")
    func simple() async throws {
        let server = try MailServerProcess()
        let mail = EmailOperator(
            to: ["a@example.org"], subject: "{{ element.task_id }} failed", text: "{{ element.message }}")
        let cause = #"{"task_id": "load", "message": "no\nsuch file"}"#
        let first = try await send(mail, connection(server), element: cause)
        let second = try await send(mail, connection(server), element: cause)
        let mails = try server.parsed()
        #expect(mails.count == 2 && mails[0]["id"] == mails[1]["id"] && first == second)
        #expect(mails[0]["top"] == "text/plain" && mails[0]["subject"] == "load failed")
    }

    @Test(
        "STARTTLS is required unless the connection says otherwise; certificates are verified; logging in works",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl")))
    func encrypted() async throws {
        let server = try MailServerProcess(.init(offersTLS: true, login: "ann:pa:ss wörd"))
        var connection = connection(server, ["starttls": .null, "ca": .string(server.certificate)])
        connection.extra["starttls"] = nil
        (connection.login, connection.password) = ("ann", "pa:ss wörd")
        let mail = EmailOperator(to: ["a@example.org"], subject: "s", text: "t")
        _ = try await send(mail, connection)
        let taken = try #require(try server.parsed().first)
        #expect(taken["tls"] == true && taken["user"] == "ann")

        connection.password = "wr0ng-w0rd"
        let refused = await failure(mail, connection)
        #expect("\(refused)".contains("535 5.7.8 wrong name or password"), "\(refused)")
        #expect(!"\(refused)".contains("wr0ng"))
        connection.extra["ca"] = nil
        let unknown = await failure(mail, connection)
        #expect(unknown is PerchError && "\(unknown)".lowercased().contains("certificate"), "\(unknown)")

        let plain = try MailServerProcess()
        let without = await failure(
            mail, Connection(type: "smtp", host: "127.0.0.1", port: plain.port, extra: ["from": "a@b"]))
        #expect("\(without)".contains("STARTTLS") || "\(without)".contains("SSL"), "\(without)")
        #expect(try plain.parsed().isEmpty)

        let whole = try MailServerProcess(.init(isTLS: true))
        _ = try await send(
            mail,
            Connection(
                type: "smtps", host: "127.0.0.1", port: whole.port,
                extra: ["ca": .string(whole.certificate), "from": "a@example.org"]))
        #expect(try whole.parsed().first?["tls"] == true)
    }

    @Test("a refusal is said with the server's answer: for good with 5xx, for now with 4xx, and nobody gets the mail")
    func refusals() async throws {
        let server = try MailServerProcess()
        let never = await failure(
            EmailOperator(to: ["a@example.org, nobody@example.org"], subject: "s", text: "t"), connection(server))
        #expect(never is NonRetryable)
        #expect("\(never)".contains("550-5.1.1 no such person here 550 5.1.1 ask somebody else"), "\(never)")
        let later = await failure(
            EmailOperator(to: ["later@example.org"], subject: "s", text: "t"), connection(server))
        #expect(later is PerchError && "\(later)".contains("451 4.3.0 come back later"), "\(later)")
        #expect(try server.parsed().isEmpty)
        var closed = connection(server)
        closed.port = 1
        let nobody = await failure(EmailOperator(to: ["a@example.org"], subject: "s", text: "t"), closed)
        #expect(nobody is PerchError && "\(nobody)".contains("smtp://127.0.0.1:1"), "\(nobody)")
    }

    @Test("what would become another header, and addresses that are none, are refused")
    func injection() async throws {
        let server = try MailServerProcess()
        let bad = [
            EmailOperator(to: ["a@example.org"], subject: "{{ element }}", text: "t"),
            EmailOperator(to: ["{{ element }}"], subject: "s", text: "t"),
            EmailOperator(to: ["a@example.org"], subject: "s", text: "t", from: "{{ element }}"),
            EmailOperator(
                to: ["a@example.org"], subject: "s", text: "t",
                attachments: [EmailAttachment("/etc/hostname", name: "{{ element }}")]),
        ]
        for mail in bad {
            await #expect(throws: NonRetryable.self) {
                _ = try await send(mail, connection(server), element: #""a@b.org\r\nBcc: x@example.org""#)
            }
        }
        for address in [
            "a", "@b", "a@", "a b@c.org", "a@b@c", "jörg@example.org", "a@b\u{0}.org", "<a@b.org", "a@b.org>\nX: y",
        ] {
            #expect(EmailOperator(to: [address], subject: "s", text: "t").problems != [], "\(address)")
        }
        #expect(EmailOperator(to: [" "], subject: "a\nb").problems.count == 3)
        #expect(EmailOperator(to: ["Ann <a@b.org>; b@c"], subject: "s", text: "t").problems == [])
        #expect(try server.parsed().isEmpty)
    }

    @Test("attachments that are missing, no files or too large are refused before the server hears of the mail")
    func attachments() async throws {
        let server = try MailServerProcess()
        for (path, words) in [
            ("/nowhere/x", "No such file"), ("/tmp", "is no file"), ("/usr/bin/python3", "allows 1000"),
        ] {
            let error = await failure(
                EmailOperator(
                    to: ["a@b.org"], subject: "s", text: "t", attachments: [EmailAttachment(path)],
                    maximumAttachmentSize: 1_000), connection(server))
            #expect(error is NonRetryable && "\(error)".contains(words), "\(error)")
        }
        #expect(try server.parsed().isEmpty)
    }

    @Test("connections that are of another kind, misspelt, or would send their password in the clear are refused")
    func connections() async throws {
        let mail = EmailOperator(to: ["a@example.org"], subject: "s", text: "t")
        let cases: [(Connection, String)] = [
            (Connection(type: "http", host: "x"), "mails go to smtp or smtps"),
            (Connection(type: "smtp"), "has no host"),
            (Connection(type: "smtp", host: "x", extra: ["start_tls": "never"]), "did you mean 'starttls'"),
            (Connection(type: "smtp", host: "x", extra: ["starttls": "maybe"]), "one of required, if_offered, never"),
            (
                Connection(type: "smtp", host: "x", login: "a", password: "hidden1", extra: ["starttls": "never"]),
                "in the clear"
            ),
            (Connection(type: "smtp", host: "127.0.0.1", port: 1), "has no sender"),
        ]
        for (connection, words) in cases {
            let error = await failure(mail, connection)
            #expect(error is NonRetryable && "\(error)".contains(words), "\(error)")
            #expect(!"\(error)".contains("hidden1"))
        }
    }

    @Test("a silent server ends with the timeout, and a cancelled task does not wait for it")
    func silent() async throws {
        let server = try MailServerProcess(.init(isSilent: true))
        var mail = EmailOperator(to: ["a@example.org"], subject: "s", text: "t", timeout: .milliseconds(200))
        let late = await failure(mail, connection(server))
        #expect(late is PerchError, "\(late)")
        mail.timeout = .seconds(300)
        let (slow, target) = (mail, connection(server))
        let task = Task { try await send(slow, target) }
        task.cancel()
        await #expect(throws: (any Error).self) { try await task.value }
    }

    @Test("dates are those of the calendar")
    func dates() {
        func date(_ microseconds: Int64) -> String {
            MailEncoding.date(microseconds, Timestamp(microseconds: microseconds).description)
        }
        #expect(date(0) == "Thu, 01 Jan 1970 00:00:00 +0000")
        #expect(date(-1_000_000) == "Wed, 31 Dec 1969 23:59:59 +0000")
        #expect(date(1_798_761_600_123_456) == "Fri, 01 Jan 2027 00:00:00 +0000")
    }
}

extension MailServerProcess {
    /// What it has taken, in order.
    fileprivate func parsed() throws -> [JSONValue] { try mails().map { try JSONValue(parsing: $0) } }
}
