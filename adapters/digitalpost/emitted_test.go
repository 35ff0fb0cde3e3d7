package digitalpost_test

import (
	"bytes"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"sikkerpost.dk/gateway/adapters/digitalpost/digitalposttest/suite"
	"sikkerpost.dk/gateway/internal/outbound/dispatch"
	"sikkerpost.dk/gateway/internal/outbound/memo"
	"sikkerpost.dk/gateway/internal/outside"
	"sikkerpost.dk/gateway/internal/post"
)

// TestEachKindOfMessageThatLeavesHoldsToTheOfficialSchema renders every kind of
// letter that the gateway sends, alone and in a container.
func TestEachKindOfMessageThatLeavesHoldsToTheOfficialSchema(t *testing.T) {
	data, ok := outside.Data(t, "memo", "the check of each kind of message against the official schema")
	tool, installed := outside.Program(t, "xmllint", "the check of each kind of message against the official schema")
	if !ok || !installed {
		return
	}
	schemas := map[string]string{"1.1": filepath.Join(data, "1.1", "xsd", "MeMo_core.xsd"), "1.2": filepath.Join(data, "1.2", "xsd-derived", "MeMo_core.xsd")}
	w := newWorld(t, nil)
	thread, err := memo.ThreadOf(memo.Header{UUID: post.DerivedID("q", post.Digital, 1), ID: "q", Sender: memo.Party{ID: w.Registered.ID}, Recipient: memo.Party{ID: string(w.tenant.CVR)}})
	if err != nil {
		t.Fatal(err)
	}
	own := post.PartyRecord{IDType: "CVR", ID: string(w.tenant.CVR), Name: w.tenant.Name, ContactPoint: w.tenant.ContactPoint}
	company := post.PartyRecord{IDType: "CVR", ID: "11223492", Name: "Æblegrød & Søn <A/S>"}
	for _, c := range []struct {
		name    string
		job     func() dispatch.Job
		only12  bool // names a representative
		swapped bool
	}{
		{name: "a letter", job: func() dispatch.Job { return w.job(w.Registered) }},
		{name: "a letter to a company", job: func() dispatch.Job { return w.job(company) }},
		{name: "a letter that may be answered", job: func() dispatch.Job {
			j := w.job(w.Registered)
			j.SenderContactPoint = w.tenant.DPOContactPoint
			return j
		}},
		{name: "a letter of eleven documents", job: func() dispatch.Job {
			j := w.job(w.Registered)
			for range post.MaxAdditionalDocuments {
				j.Documents = append(j.Documents, suite.Document("bilag: æ?.pdf", "application/pdf", []byte("%PDF-1.4")))
			}
			return j
		}},
		{name: "a reply in a thread", job: func() dispatch.Job {
			j := w.job(w.Registered)
			j.SenderContactPoint, j.Thread = w.tenant.DPOContactPoint, thread
			return j
		}},
		{name: "an inquiry sent on for a citizen", only12: true, job: func() dispatch.Job {
			j := w.job(own)
			j.Originator = &w.Registered
			return j
		}},
		{name: "an inquiry sent on for a company", only12: true, job: func() dispatch.Job {
			j := w.job(own)
			j.Originator = &company
			return j
		}},
		{name: "an inquiry sent on in the citizen's name", only12: true, swapped: true, job: func() dispatch.Job {
			j := w.job(own)
			j.Originator = &w.Registered
			return j
		}},
	} {
		for version, schema := range schemas {
			if c.only12 && version == "1.1" {
				continue
			}
			t.Run(c.name+" "+version, func(t *testing.T) {
				cfg := w.config()
				cfg.MemoVersion, cfg.OriginatorAsSender = version, c.swapped
				client := w.connect(t, cfg)
				j := c.job()
				var alone, container bytes.Buffer
				if err := client.Render(t.Context(), j, &alone); err != nil {
					t.Fatal(err)
				}
				holds(t, tool, schema, alone.Bytes())
				if err := client.RenderContainer([]dispatch.Job{j}, &container); err != nil {
					t.Fatal(err)
				}
				n := 0
				if err := memo.ReadContainer(&container, memo.ContainerLimits{}, func(_ string, r io.Reader) error {
					n++
					inside, err := io.ReadAll(r)
					if !bytes.Equal(inside, alone.Bytes()) {
						t.Error("in a container it is another message")
					}
					return err
				}); err != nil || n != 1 {
					t.Errorf("%d messages in the container, %v", n, err)
				}
				broken := bytes.Replace(alone.Bytes(), []byte("<memo:label>"), []byte("<memo:wrong/><memo:label>"), 1)
				if _, err := validated(tool, schema, broken); err == nil {
					t.Error("the schema lets a broken message pass: it proves nothing")
				}
			})
		}
	}
}

func holds(t *testing.T, tool, schema string, message []byte) {
	t.Helper()
	if out, err := validated(tool, schema, message); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func validated(tool, schema string, message []byte) ([]byte, error) {
	cmd := exec.Command(tool, "--noout", "--nonet", "--huge", "--schema", schema, "-")
	cmd.Stdin = bytes.NewReader(message)
	return cmd.CombinedOutput()
}
