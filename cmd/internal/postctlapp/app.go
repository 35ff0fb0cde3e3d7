// Package postctlapp is postctl, for case systems, approvers and operators:
// letters and batches through desk, and the offline check of evidence.
//
// What it sends it has checked first: every fault of every line of a batch is
// printed with its line number and cure, and nothing is sent while there is
// one. Sending the same letter or batch again changes nothing and says so.
// A batch that was interrupted goes on where it stopped. Watching changes
// nothing; Ctrl-C leaves the batch running. postctl can neither open sealed
// content nor sign.
//
// What it takes is flat in the batch: a process of some 25 MB, and for each line of a table
// at most 50 bytes that are kept (digest and number of its key), 90 for each
// document, 12 for each fault, 75 for each letter of a list for people; a quarter more with
// the garbage that has not been collected yet ([Pace]). Lines are read again from the file, blocks
// of which are compared with what was checked, and answers as long as a batch are
// written while they are made. Nothing personal is written to disk.
package postctlapp

import (
	"context"
	"io"

	"sikkerpost.dk/gateway/adapters/deskapi/client"
	"sikkerpost.dk/gateway/cmd/internal/ctl"
)

const about = "Letters and batches: send, approve, follow and verify them."

const examples = `postctl batch check decisions.csv -documents ./pdf
postctl batch plan decisions.csv -documents ./pdf -arrive 2026-12-22
postctl batch send decisions.csv -documents ./pdf -key november-decisions
postctl batch approve BATCH-ID
postctl batch watch BATCH-ID
postctl batch report BATCH-ID -out report.csv
postctl batch plan BATCH-ID -look-up -each
postctl letter send letter.json -document decision.pdf
postctl letter show LETTER-ID
postctl letter explain LETTER-ID
postctl letter trace LETTER-ID
postctl letter ids LETTER-ID
postctl letter list -late
postctl letter list -needs-person
postctl letter list -state outcome-unknown -carrier kombipost -since 12h
postctl letter hold LETTER-ID -reason lawsuit
postctl letter evidence LETTER-ID -out letter.asice
postctl letter verify letter.asice -cert signing.pem -document decision.pdf
postctl mail returned SP-7K3Q-92MD -reason moved
postctl mail returned - < scanned.txt
postctl channel pause digital
postctl channel pause both -tenant engdal
postctl mail parked
postctl mail close MAIL-ID -reason answered
postctl receipts parked
postctl receipts show RECEIPT-ID
postctl receipts retry -all-of unsettled
postctl receipts close RECEIPT-ID -reason not-ours
postctl memo check message.xml
postctl memo cat message.xml -as 1.1
postctl completion bash > /etc/bash_completion.d/postctl
postctl man > /usr/local/share/man/man1/postctl.1
postctl verify -database postgres://verify@db/sikkerpost -blobs DIR -ledger DIR -ledger-key FILE`

// desk is [ctl.Desk] under other names: -key and -cert mean other things here.
type desk struct {
	URL        string `env:"SIKKERPOST_URL" placeholder:"URL" help:"Address of desk."`
	ClientCert string `env:"SIKKERPOST_CERT" placeholder:"FILE" help:"Client certificate (PEM)."`
	ClientKey  string `env:"SIKKERPOST_KEY" placeholder:"FILE" help:"Its key (PEM)."`
	CA         string `env:"SIKKERPOST_CA" placeholder:"FILE" help:"Who issued desk's certificate (PEM)."`
	Config     string `env:"SIKKERPOST_CONFIG" placeholder:"FILE" help:"JSON file with url, cert_file, key_file and ca_file."`
}

type grammar struct {
	desk
	JSON    bool            `name:"json" help:"Print JSON."`
	Version ctl.VersionFlag `name:"version" help:"Print which version this is, and end."`

	Letter struct {
		Send     letterSend     `cmd:"" help:"Submit one letter."`
		Show     letterShow     `cmd:"" help:"Show where a letter stands, and its steps."`
		Explain  letterExplain  `cmd:"" help:"Explain from stored evidence why a letter is where it is."`
		Trace    letterTrace    `cmd:"" help:"Ask the carriers what they know of a letter, and show it beside what we know."`
		Cancel   letterCancel   `cmd:"" help:"Take a letter back before its hand-over."`
		Retry    letterRetry    `cmd:"" help:"Let a letter that needs a person go on, under the same ids."`
		Print    letterPrint    `cmd:"" help:"Send a letter on paper that was certainly not delivered."`
		Reissue  letterReissue  `cmd:"" help:"Send a returned letter again."`
		Close    letterClose    `cmd:"" help:"End a letter's road: nothing more is sent."`
		List     letterList     `cmd:"" help:"List letters: those that wait for somebody, or all in one state."`
		Hold     letterHold     `cmd:"" help:"Keep a letter and all that belongs to it from being purged (legal hold)."`
		Unhold   letterUnhold   `cmd:"" help:"Lift a hold."`
		Evidence letterEvidence `cmd:"" help:"Fetch the evidence of a letter."`
		IDs      letterIDs      `cmd:"" name:"ids" help:"Say under which ids carriers know letters, also such as no database knows any more."`
		Verify   letterVerify   `cmd:"" help:"Verify evidence offline, trusting nobody but the certificates given."`
	} `cmd:"" help:"One letter."`
	Mail struct {
		Returned mailReturned `cmd:"" help:"Enter an envelope that came back, by the code on the letter."`
		Parked   mailParked   `cmd:"" help:"List messages of Digital Post that could not be taken in and wait for a person."`
		Retry    mailRetry    `cmd:"" help:"Let a parked message be read again, with all checks."`
		File     mailFile     `cmd:"" help:"Put a message to an unknown contact point into the inbox of its municipality's DPO."`
		Close    mailClose    `cmd:"" help:"Say that a parked message needs nobody any more."`
	} `cmd:"" help:"The mail room."`
	Receipts struct {
		Parked receiptsParked `cmd:"" help:"List carriers' receipts that nobody but a person can make sense of."`
		Show   receiptsShow   `cmd:"" help:"Show what is known of one, and what it asks for."`
		Retry  receiptsRetry  `cmd:"" help:"Let one, or all with one code, be judged again, with all checks."`
		Close  receiptsClose  `cmd:"" help:"Say that one needs nobody any more; it stays stored."`
	} `cmd:"" help:"What carriers said of letters, and could not be believed."`
	Channel struct {
		Pause  channelPause  `cmd:"" help:"Halt hand-overs; letters are still taken in."`
		Resume channelResume `cmd:"" help:"Let hand-overs go on."`
		Show   channelShow   `cmd:"" help:"Show what is halted."`
	} `cmd:"" help:"The ways out of the house."`
	Memo struct {
		Check memoCheck `cmd:"" help:"Name every fault of a message or a container; nothing is sent."`
		Cat   memoCat   `cmd:"" help:"Write a message again in canonical form."`
	} `cmd:"" help:"MeMo, the format of Digital Post: no desk is asked."`
	Accounts verifyAll `cmd:"" name:"verify" help:"Check that nothing is lost, doubled or changed: database, blobs, ledger and carriers."`
	Batch    struct {
		Check    batchCheck    `cmd:"" help:"Check a table and its documents; send nothing."`
		Plan     batchPlan     `cmd:"" help:"Say what a table would cost and when it must be sent; send nothing."`
		Send     batchSend     `cmd:"" help:"Submit a batch for approval."`
		Approve  batchApprove  `cmd:"" help:"Release a batch, or its canary, as a second person."`
		Continue batchContinue `cmd:"" help:"Release the rest after the canary, as a second person."`
		Pause    batchPause    `cmd:"" help:"Hand over nothing more until it is resumed."`
		Resume   batchResume   `cmd:"" help:"Let a paused batch go on."`
		Stop     batchStop     `cmd:"" help:"Cancel every letter that no carrier has."`
		Watch    batchWatch    `cmd:"" help:"Follow a batch until nothing moves by itself any more."`
		Show     batchShow     `cmd:"" help:"Show where a batch stands."`
		Report   batchReport   `cmd:"" help:"Write one line of CSV for each letter."`
	} `cmd:"" help:"Many letters with one approval."`
	Completion completion `cmd:"" help:"Print the script by which a shell completes commands and flags."`
	Man        man        `cmd:"" help:"Print the manual page."`
}

// run is what a command runs with.
type run struct {
	*ctl.Env
	ctx  context.Context
	desk desk
}

// dial returns a client of desk. The caller closes it.
func (r *run) dial() (*client.Client, error) {
	d := ctl.Desk{URL: r.desk.URL, Cert: r.desk.ClientCert, Key: r.desk.ClientKey, CA: r.desk.CA, Config: r.desk.Config}
	c, err := d.Client()
	if err != nil {
		return nil, &ctl.Hint{Err: err, Hint: ctl.ConfigHint(err, "-url, -client-cert, -client-key and -ca")}
	}
	return c, nil
}

// Run runs one command and returns its exit code (package ctl lists them).
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := &ctl.Env{Name: "postctl", Stdin: stdin, Stdout: stdout, Stderr: stderr}
	var g grammar
	chosen, code, ok := ctl.Parse(env, &g, about, examples, args)
	if !ok {
		return code
	}
	env.JSON = g.JSON
	if err := chosen.Run(&run{Env: env, ctx: ctx, desk: g.desk}); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return env.Fail(err)
	}
	return ctl.Done
}
