package report
import ("testing";"os")
func TestZZ(t *testing.T){ 
 for n,r:=range map[string]*Report{"rich":richReport(),"empty":emptyReport(),"clean":cleanReport()} {
  f,_:=os.Create("/tmp/"+n+".html"); if err:=WriteHTML(f, r, HTMLOptions{}); err!=nil {t.Fatal(err)}; f.Close()
  f,_=os.Create("/tmp/"+n+".md"); WriteMarkdown(f, r); f.Close()
 }
}
